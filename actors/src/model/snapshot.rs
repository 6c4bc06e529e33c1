//! Snapshots of what the Supervisor knows about accounts and servers.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{AccountName, AccountState, ChannelId, CloseReason, Excerpt, Generation, ServerName};

/// The progress of a catch-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CatchUpProgress {
    /// The number of channels read completely.
    pub done: usize,
    /// The number of channels to read.
    pub channels: usize,
    /// The number of posts, edits and deletions handed over.
    pub recovered: usize,
}

/// The state of an account at one moment, as the Supervisor knows it.
#[derive(Debug, Clone)]
pub struct AccountSnapshot {
    /// The account.
    pub account: AccountName,
    /// Its server.
    pub server: ServerName,
    /// The name of its Mattermost user, without the `@`; none before the first Connection.
    pub user: Option<Arc<str>>,
    /// The names of its sinks.
    pub sinks: Arc<[Arc<str>]>,
    /// Its state.
    pub state: AccountState,
    /// The time at which it entered that state.
    pub since: SystemTime,
    /// The generation of its newest Connection; 0 before the first.
    pub generation: Generation,
    /// The number of events received since the account was added.
    pub events: u64,
    /// The time of the last event.
    pub last_event: Option<SystemTime>,
    /// The time of the last successful poll or in-band ping.
    pub last_good_probe: Option<SystemTime>,
    /// The number of posts, edits and deletions fetched since the account was added.
    pub recovered: u64,
    /// The progress of the catch-up, if one is running.
    pub catching_up: Option<CatchUpProgress>,
    /// The total time for which the account has been ready since it was added.
    pub ready_for: Duration,
    /// The number of restarted Connections since the account was added.
    pub restarts: u64,
    /// The number of charged endings in the current window.
    pub restarts_in_window: u32,
    /// The number of charged endings that may still follow before the account trips.
    pub budget_left: u32,
    /// The end of the last Connection.
    pub last_ending: Option<Arc<Ending>>,
    /// The components that accept nothing at the moment.
    pub stalls: Stalls,
    /// The channels whose next event a sink did not accept; none if there are none.
    pub waiting_channels: Option<WaitingChannels>,
    /// The number of permits held by frames that no sink has acknowledged yet, each of at most 16 KiB.
    pub queued: usize,
    /// The time until the next attempt, if one is scheduled.
    pub next_attempt_in: Option<Duration>,
}

/// A component that can stall an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StallCause {
    /// The sink.
    Sink,
    /// The store.
    Store,
}

/// The components that accept nothing at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stalls {
    /// True if the sink accepts nothing.
    pub sink: bool,
    /// True if the store accepts nothing.
    pub store: bool,
}

impl Stalls {
    /// True if any component is stalled.
    pub fn any(self) -> bool {
        self.sink || self.store
    }

    /// Records that a component stalled or recovered.
    pub fn set(&mut self, by: StallCause, on: bool) {
        match by {
            StallCause::Sink => self.sink = on,
            StallCause::Store => self.store = on,
        }
    }
}

/// The channels of an account whose next event a sink did not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingChannels {
    /// The number of channels.
    pub count: usize,
    /// The event that has waited longest.
    pub oldest: WaitingEvent,
}

/// An event that a sink did not accept and that is delivered again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingEvent {
    /// Its channel.
    pub channel: ChannelId,
    /// Its id.
    pub event: Excerpt,
    /// The time of the first attempt.
    pub since: SystemTime,
    /// The number of attempts that the sink answered.
    pub attempts: u32,
    /// The time of the next attempt.
    pub next: SystemTime,
    /// The reason of the last failure, with the name of the sink.
    pub cause: Excerpt,
}

/// The state of an account, with its history and its queue.
#[derive(Debug, Clone)]
pub struct AccountDetail {
    /// The snapshot of the account.
    pub snapshot: AccountSnapshot,
    /// The ends of its last Connections, newest first.
    pub endings: Vec<Arc<Ending>>,
    /// The last results of its witnesses.
    pub witnesses: Witnesses,
    /// The events that wait for the sink; none if the Delivery did not answer in time.
    pub waiting: Option<DeliveryQueueStats>,
}

/// The end of a Connection, and the time until the account was ready again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The time of the end.
    pub at: SystemTime,
    /// The generation that ended.
    pub generation: Generation,
    /// The reason for the end.
    pub reason: CloseReason,
    /// True if it was charged to the restart budget.
    pub charged: bool,
    /// True if another account's socket reported the change that caused it.
    pub witnessed: bool,
    /// The time for which the Connection was ready; none if it never was.
    pub ready_for: Option<Duration>,
    /// The time until the account was ready again; none while it is not.
    pub back_after: Option<Duration>,
}

/// The last results of an account's witnesses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Witnesses {
    /// The last poll of `/users/me`, answered or failed.
    pub poll: Option<Probe>,
    /// The last answered in-band ping.
    pub ping: Option<Probe>,
    /// The time at which another account's socket last reported a change.
    pub prompted: Option<SystemTime>,
    /// The last conclusive audit.
    pub audit: Option<Probe>,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The time of the answer.
    pub at: SystemTime,
    /// The response time.
    pub took: Duration,
    /// The problem; none if all was well.
    pub cause: Option<Excerpt>,
}

/// The events that an account has received and its sink has not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryQueueStats {
    /// The number of events handed to the sink and not answered.
    pub unacknowledged: usize,
    /// The number of events not handed over yet.
    pub waiting: usize,
    /// The time at which the oldest of these events was received: the lag of the cursors.
    pub oldest: Option<SystemTime>,
    /// The events that a sink did not accept, those that have waited longest first; a few at most.
    pub refused: Vec<WaitingEvent>,
}

/// The state of a server at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerSnapshot {
    /// The server.
    pub server: ServerName,
    /// True if the server answers, as far as is known; false if its gate does not respond.
    pub up: bool,
    /// The time for which it has not answered, if its gate responds.
    pub down_for: Option<Duration>,
    /// The number of accounts on the server.
    pub accounts: usize,
    /// The current request rate.
    pub requests_per_second: f64,
    /// The number of requests that wait for a permit.
    pub waiting: usize,
    /// The number of connections between dial and hello.
    pub dials: usize,
    /// The time until the server's rate limit lets requests through again.
    pub paused_for: Option<Duration>,
}
