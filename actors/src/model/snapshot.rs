//! What the Supervisor knows of an account at one moment.

use std::time::{Duration, SystemTime};

use super::{AccountName, AccountState, CloseReason, Generation, ServerName};

/// How far a catch-up is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CatchUpProgress {
    /// Channels that have been read to their end.
    pub done: usize,
    /// Channels that are to be read.
    pub channels: usize,
    /// Posts, edits and deletions that were handed over.
    pub recovered: usize,
}

/// Everything the Supervisor knows of an account at one moment.
#[derive(Debug, Clone)]
pub struct AccountSnapshot {
    /// The account.
    pub account: AccountName,
    /// Its server.
    pub server: ServerName,
    /// Its state.
    pub state: AccountState,
    /// When it came into that state.
    pub since: SystemTime,
    /// The generation of its newest Connection; 0 before the first.
    pub generation: Generation,
    /// Events heard since the account was added.
    pub events: u64,
    /// When the last event was heard.
    pub last_event: Option<SystemTime>,
    /// When a probe (a poll, or an in-band ping) last said that all is well.
    pub last_good_probe: Option<SystemTime>,
    /// Posts, edits and deletions that were fetched since the account was added.
    pub recovered: u64,
    /// How far the catch-up is, while one is under way.
    pub catching_up: Option<CatchUpProgress>,
    /// Connections started again since the account was added.
    pub restarts: u64,
    /// Charged endings in the window now.
    pub restarts_in_window: u32,
    /// Charged endings that may still follow before the account trips.
    pub budget_left: u32,
    /// Why the last Connection ended.
    pub last_close: Option<CloseReason>,
    /// How long until the next attempt, when one is scheduled.
    pub next_attempt_in: Option<Duration>,
}
