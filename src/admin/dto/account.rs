//! An account, as it is shown in a row.

use std::time::SystemTime;

use matterhost_actors::model::{self, AccountSnapshot, CatchUpProgress};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::telemetry::time::{millis, rfc3339};

/// An account at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Its name in the configuration.
    pub name: String,
    /// Its server's name in the configuration.
    pub server: String,
    /// `connecting`, `catching_up`, `ready`, `stalled`, `backoff`, `blocked`, `misconfigured`, `tripped`, `stopping` or
    /// `stopped`.
    pub state: String,
    /// When it came into that state.
    pub since: String,
    /// The number of its newest Connection, from 1.
    pub generation: u64,
    /// Events heard since it was added.
    pub events: u64,
    /// When the last event was heard.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_event: Option<String>,
    /// When a poll or an in-band ping last said that all is well.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_good_probe: Option<String>,
    /// Posts, edits and deletions that were fetched after a time away.
    pub recovered: u64,
    /// Connections started again.
    pub restarts: u64,
    /// Charged endings in the window of the restart budget.
    pub restarts_in_window: u32,
    /// Charged endings that may still follow before it trips.
    pub budget_left: u32,
    /// When it is tried again, if that is planned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_attempt: Option<String>,
    /// How far its catch-up is, while one is under way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub catching_up: Option<CatchingUp>,
    /// What takes nothing at the moment: `sink`, `store`.
    pub stalled_by: Vec<String>,
    /// Frames that wait for an acknowledgement; each further 16 KiB of a large one count as another.
    pub queued: usize,
    /// How its last Connection ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_ending: Option<Ending>,
}

/// How far a catch-up is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatchingUp {
    /// Channels that have been read.
    pub done: usize,
    /// Channels that are to be read.
    pub channels: usize,
    /// Posts, edits and deletions handed over so far.
    pub recovered: usize,
}

/// How a Connection ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ending {
    /// When.
    pub at: String,
    /// The number of the Connection.
    pub generation: u64,
    /// Why, in one word: a `CloseReason` of docs/OPERATIONS.md.
    pub reason: String,
    /// The kind of reason, which decides what it costs.
    pub class: String,
    /// Why, in words.
    pub cause: String,
    /// Whether it was charged to the restart budget.
    pub charged: bool,
    /// Whether another account's socket told of the change that ended it.
    pub seen_by_sibling: bool,
    /// For how long it had been ready, if it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ready_for_ms: Option<u64>,
    /// How long until the account was ready again; left out while it is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub back_after_ms: Option<u64>,
}

/// All accounts that were asked for, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accounts {
    /// The accounts.
    pub accounts: Vec<Account>,
}

/// What changed among the accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountChanges {
    /// Whether these are all there are, in place of what was told before.
    pub snapshot: bool,
    /// Those that are new or changed.
    pub accounts: Vec<Account>,
    /// The names of those that are gone.
    pub removed: Vec<String>,
}

impl From<&AccountSnapshot> for Account {
    fn from(of: &AccountSnapshot) -> Self {
        let stalled_by = [(of.stalls.sink, "sink"), (of.stalls.store, "store")];
        Self {
            name: of.account.to_string(),
            server: of.server.to_string(),
            state: of.state.label().into(),
            since: rfc3339(of.since),
            generation: of.generation.0,
            events: of.events,
            last_event: of.last_event.map(rfc3339),
            last_good_probe: of.last_good_probe.map(rfc3339),
            recovered: of.recovered,
            restarts: of.restarts,
            restarts_in_window: of.restarts_in_window,
            budget_left: of.budget_left,
            next_attempt: of.next_attempt_in.map(|wait| rfc3339(whole_second(SystemTime::now() + wait))),
            catching_up: of.catching_up.map(Into::into),
            stalled_by: stalled_by.iter().filter(|(on, _)| *on).map(|(_, by)| (*by).into()).collect(),
            queued: of.queued,
            last_ending: of.last_ending.as_deref().map(Into::into),
        }
    }
}

/// Worked out anew each time from what is left, it would waver by milliseconds and look like news.
fn whole_second(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH
        + std::time::Duration::from_secs((since.as_millis() + 500).try_into().unwrap_or(u64::MAX) / 1_000)
}

impl From<CatchUpProgress> for CatchingUp {
    fn from(of: CatchUpProgress) -> Self {
        Self { done: of.done, channels: of.channels, recovered: of.recovered }
    }
}

impl From<&model::Ending> for Ending {
    fn from(of: &model::Ending) -> Self {
        Self {
            at: rfc3339(of.at),
            generation: of.generation.0,
            reason: of.reason.label().into(),
            class: of.reason.class().label().into(),
            cause: of.reason.to_string(),
            charged: of.charged,
            seen_by_sibling: of.witnessed,
            ready_for_ms: of.ready_for.map(millis),
            back_after_ms: of.back_after.map(millis),
        }
    }
}
