//! An account, as a list or table shows it.

use std::time::SystemTime;

use matterhost_actors::model::{self, AccountSnapshot, CatchUpProgress, Excerpt};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::telemetry::time::{millis, rfc3339};

/// An account at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// The name in the configuration.
    pub name: String,
    /// The server's name in the configuration.
    pub server: String,
    /// The name of its Mattermost user, without the `@`; left out before its first connection.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<String>,
    /// The names of its sinks.
    #[serde(default)]
    pub sinks: Vec<String>,
    /// The member of the cluster that hosts it; left out without a cluster, and while no member hosts it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub member: Option<String>,
    /// The file of the configuration that has it, `environment`, or `api` if it was put by this API.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
    /// `connecting`, `catching_up`, `ready`, `stalled`, `backoff`, `blocked`, `misconfigured`, `tripped`, `stopping` or
    /// `stopped`. In a cluster also `unknown`: its member has not answered in time, or no member hosts it.
    pub state: String,
    /// The time at which it entered that state.
    pub since: String,
    /// The number of its newest Connection, from 1.
    pub generation: u64,
    /// Events received since it was added.
    pub events: u64,
    /// The time of the last event.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_event: Option<String>,
    /// The time of the last successful poll or in-band ping.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_good_probe: Option<String>,
    /// Posts, edits and deletions that were fetched after an interruption.
    pub recovered: u64,
    /// Restarts of its Connection.
    pub restarts: u64,
    /// Charged endings in the window of the restart budget.
    pub restarts_in_window: u32,
    /// Charged endings left before it trips.
    pub budget_left: u32,
    /// The time of the next attempt, if one is planned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_attempt: Option<String>,
    /// The progress of the catch-up, while one is running.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub catching_up: Option<CatchingUp>,
    /// The parts that accept nothing at the moment: `sink`, `store`.
    pub stalled_by: Vec<String>,
    /// The channels that wait because a sink did not accept their next event.
    #[serde(default)]
    pub waiting_channels: usize,
    /// The event of such a channel that has waited longest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waiting_event: Option<RefusedEvent>,
    /// Frames waiting for an acknowledgement; each further 16 KiB of a large frame count as one more.
    pub queued: usize,
    /// The ending of its last Connection.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_ending: Option<Ending>,
}

/// An event that a sink did not accept and that is delivered again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedEvent {
    /// The channel's id.
    pub channel: String,
    /// The event's id.
    pub event: String,
    /// The time of the first attempt.
    pub since: String,
    /// Attempts that the sink answered.
    pub attempts: u32,
    /// The time of the next attempt.
    pub next_attempt: String,
    /// The reason, with the name of the sink.
    pub cause: String,
}

/// The progress of a catch-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatchingUp {
    /// Channels that have been read.
    pub done: usize,
    /// Channels to read.
    pub channels: usize,
    /// Posts, edits and deletions delivered so far.
    pub recovered: usize,
}

/// The ending of a Connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ending {
    /// The time.
    pub at: String,
    /// The number of the Connection.
    pub generation: u64,
    /// The reason, in one word: a `CloseReason` of docs/runbook.md.
    pub reason: String,
    /// The kind of reason, which decides what the ending costs.
    pub class: String,
    /// The reason, in words.
    pub cause: String,
    /// True if it was charged to the restart budget.
    pub charged: bool,
    /// True if another account's socket reported the change that ended it.
    pub seen_by_sibling: bool,
    /// The time for which it had been ready, if it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ready_for_ms: Option<u64>,
    /// The time until the account was ready again; left out while it is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub back_after_ms: Option<u64>,
}

/// The selected accounts, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Accounts {
    /// The accounts.
    pub accounts: Vec<Account>,
}

/// The changes of the accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountChanges {
    /// True if this begins a new list that replaces the rows sent before.
    pub snapshot: bool,
    /// New and changed accounts.
    pub accounts: Vec<Account>,
    /// The names of removed accounts.
    pub removed: Vec<String>,
}

/// The state of an account of which no member of the cluster has told anything.
pub const UNKNOWN_STATE: &str = "unknown";

impl Account {
    /// Describes an account of which no member of the cluster has told anything since a time.
    pub fn unknown(name: &str, server: &str, member: Option<String>, since: SystemTime) -> Self {
        Self {
            name: name.to_owned(),
            server: server.to_owned(),
            user: None,
            sinks: Vec::new(),
            member,
            source: None,
            state: UNKNOWN_STATE.into(),
            since: rfc3339(since),
            generation: 0,
            events: 0,
            last_event: None,
            last_good_probe: None,
            recovered: 0,
            restarts: 0,
            restarts_in_window: 0,
            budget_left: 0,
            next_attempt: None,
            catching_up: None,
            stalled_by: Vec::new(),
            waiting_channels: 0,
            waiting_event: None,
            queued: 0,
            last_ending: None,
        }
    }
}

impl From<&AccountSnapshot> for Account {
    fn from(of: &AccountSnapshot) -> Self {
        let stalled_by = [(of.stalls.sink, "sink"), (of.stalls.store, "store")];
        Self {
            name: of.account.to_string(),
            server: of.server.to_string(),
            user: of.user.as_deref().map(|name| Excerpt::of(name).into()),
            sinks: of.sinks.iter().map(ToString::to_string).collect(),
            member: None,
            source: None,
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
            waiting_channels: of.waiting_channels.as_ref().map_or(0, |waiting| waiting.count),
            waiting_event: of.waiting_channels.as_ref().map(|waiting| (&waiting.oldest).into()),
            queued: of.queued,
            last_ending: of.last_ending.as_deref().map(Into::into),
        }
    }
}

/// Rounds to whole seconds: computed from the remaining wait each time, the time would vary by milliseconds and look
/// like a change.
fn whole_second(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH
        + std::time::Duration::from_secs((since.as_millis() + 500).try_into().unwrap_or(u64::MAX) / 1_000)
}

impl From<&model::WaitingEvent> for RefusedEvent {
    fn from(of: &model::WaitingEvent) -> Self {
        Self {
            channel: of.channel.to_string(),
            event: of.event.to_string(),
            since: rfc3339(of.since),
            attempts: of.attempts,
            next_attempt: rfc3339(of.next),
            cause: of.cause.to_string(),
        }
    }
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
