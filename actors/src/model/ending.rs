//! How a Connection ended, as it is remembered.

use std::time::{Duration, SystemTime};

use super::{CloseReason, Generation};

/// How a Connection ended, and when the account was back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// When.
    pub at: SystemTime,
    /// The generation that ended.
    pub generation: Generation,
    /// Why.
    pub reason: CloseReason,
    /// Whether it was charged to the restart budget.
    pub charged: bool,
    /// Whether another account's socket told of the change that ended it.
    pub witnessed: bool,
    /// For how long it had been ready, if it was.
    pub ready_for: Option<Duration>,
    /// How long until the account was ready again; none while it is not.
    pub back_after: Option<Duration>,
}
