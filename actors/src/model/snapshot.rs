//! What the Supervisor knows of an account at one moment.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

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
    /// How long the account was ready since it was added.
    pub ready_for: Duration,
    /// Connections started again since the account was added.
    pub restarts: u64,
    /// Charged endings in the window now.
    pub restarts_in_window: u32,
    /// Charged endings that may still follow before the account trips.
    pub budget_left: u32,
    /// How the last Connection ended.
    pub last_ending: Option<Arc<Ending>>,
    /// What takes nothing at the moment.
    pub stalls: Stalls,
    /// Permits that frames hold which no sink has acknowledged yet, each of at most 16 KiB.
    pub queued: usize,
    /// How long until the next attempt, when one is scheduled.
    pub next_attempt_in: Option<Duration>,
}

/// Who takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StallCause {
    /// The sink.
    Sink,
    /// The store.
    Store,
}

/// What takes nothing at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stalls {
    /// The sink.
    pub sink: bool,
    /// The store.
    pub store: bool,
}

impl Stalls {
    /// Whether anything does.
    pub fn any(self) -> bool {
        self.sink || self.store
    }

    /// Takes note of one of them.
    pub fn set(&mut self, by: StallCause, on: bool) {
        match by {
            StallCause::Sink => self.sink = on,
            StallCause::Store => self.store = on,
        }
    }
}

/// What is known of one account beyond its snapshot.
#[derive(Debug, Clone)]
pub struct AccountDetail {
    /// What is known of each.
    pub snapshot: AccountSnapshot,
    /// How its last Connections ended, newest first.
    pub endings: Vec<Arc<Ending>>,
    /// What its witnesses said last.
    pub witnesses: Witnesses,
    /// What waits for its sink; none when its Delivery did not answer in time.
    pub waiting: Option<DeliveryQueueStats>,
}

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

/// What an account has heard and its sink has not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryQueueStats {
    /// Events that the sink has and has not answered.
    pub unacknowledged: usize,
    /// Events that were not handed over yet.
    pub waiting: usize,
    /// When the oldest of them all was heard: the cursors lag so far behind.
    pub oldest: Option<SystemTime>,
}

/// Everything that is known of a server at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerSnapshot {
    /// The server.
    pub server: ServerName,
    /// Whether it answers, as far as is known; false also when its gate does not say.
    pub up: bool,
    /// For how long it has not answered, if its gate says so.
    pub down_for: Option<Duration>,
    /// Accounts that are on it.
    pub accounts: usize,
    /// The pace at the moment.
    pub requests_per_second: f64,
    /// Requests that wait for their turn.
    pub waiting: usize,
    /// Connections between dial and hello.
    pub dials: usize,
    /// How long until the server's rate limit lets anything through again.
    pub paused_for: Option<Duration>,
}
