//! What the witnesses of an account said last.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// What the witnesses of an account said last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Witnesses {
    /// The last poll of `/users/me` that was answered, or failed.
    pub poll: Option<Probe>,
    /// The last in-band ping that was answered.
    pub ping: Option<Probe>,
    /// When another account's socket last told of a change.
    pub prompted: Option<SystemTime>,
    /// The last audit that could tell.
    pub audit: Option<Probe>,
}

/// What came of one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// When the answer came.
    pub at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// What was wrong; none when all was well.
    pub cause: Option<Arc<str>>,
}
