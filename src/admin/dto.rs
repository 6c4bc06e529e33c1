//! The JSON values of the admin API, used by the server and its clients.
//!
//! Times are RFC 3339 in UTC with milliseconds; fields named `…_ms` are whole milliseconds.

mod account;
mod action;
mod detail;
mod fact;
mod instance;
mod problem_details;
mod servers;
mod sign_in;

pub use account::{Account, AccountChanges, Accounts, CatchingUp, Ending};
pub use action::{Action, ActionAccepted, LogLevel, NewPost, PostCreated};
pub use detail::{AccountDetail, Liveness, Probe};
pub use fact::{Fact, Gap};
pub use instance::Instance;
pub use problem_details::{ConfigProblem, Problem, TYPE as PROBLEM_TYPE};
pub use servers::{Server, Servers};
pub use sign_in::{SignInLink, SignedIn};
