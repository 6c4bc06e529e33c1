//! What the admin API says and takes: plain values, for the server and for whoever asks it.
//!
//! Times are RFC 3339 in UTC with milliseconds; what is `…_ms` is whole milliseconds.

mod account;
mod action;
mod detail;
mod fact;
mod instance;
mod problem;
mod server;

pub use account::{Account, AccountChanges, Accounts, CatchingUp, Ending};
pub use action::{Action, ActionAccepted, LogLevel, NewPost, PostCreated};
pub use detail::{AccountDetail, Liveness, Probe};
pub use fact::{Fact, Gap};
pub use instance::Instance;
pub use problem::{ConfigProblem, Problem, TYPE as PROBLEM_TYPE};
pub use server::{Server, Servers};
