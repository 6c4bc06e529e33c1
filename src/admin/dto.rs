//! The JSON values of the admin API, used by the server and its clients.
//!
//! Times are RFC 3339 in UTC with milliseconds; fields named `…_ms` are whole milliseconds.

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

use std::time::{Duration, SystemTime};

/// Formats a time for the API.
pub fn format_time(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

/// Converts a duration to whole milliseconds for the API.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
