//! Restarts: what an ending costs, the restart budget, delays, and causes that accounts share.

mod backoff;
mod budget;
mod close_consequence;
mod common_cause;
mod deaf_timer;
mod restart;
mod restart_policy;

pub use backoff::{Backoff, Delays};
pub use budget::{Budget, Charged, Phase};
pub use close_consequence::{Charge, Consequence, Run, consequence};
pub use common_cause::CommonCause;
pub use deaf_timer::Deafness;
pub use restart::{Next, RestartTracker};
pub use restart_policy::{RestartPolicy, RestartSettings, SettingsError};
