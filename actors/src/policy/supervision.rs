//! Restarts: the cost of an ending, the restart budget, delays, and causes that accounts share.

mod backoff;
mod budget;
mod close_consequence;
mod common_cause;
mod deaf_timer;
mod recycling;
mod restart;
mod restart_policy;
mod socket_lifetimes;

pub use backoff::{Backoff, Delays};
pub use budget::{BreakerState, Budget, ChargeOutcome};
pub(crate) use close_consequence::{ChargeRule, Consequence, RunSummary, consequence};
pub use common_cause::CommonCause;
pub(crate) use deaf_timer::DeafTimer;
pub(crate) use recycling::Recycling;
pub(crate) use restart::{RestartDecision, RestartTracker};
pub use restart_policy::{RestartPolicy, RestartSettings, SettingsError};
pub(crate) use socket_lifetimes::{ProxyDrop, SocketDrop, SocketLifetime, SocketLifetimes};
