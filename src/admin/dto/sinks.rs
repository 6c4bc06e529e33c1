//! The sinks, their dead letters, and the actions on them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The running sinks, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sinks {
    /// The sinks.
    pub sinks: Vec<Sink>,
}

/// A sink at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sink {
    /// The name in the configuration.
    pub name: String,
    /// `stdout`, `file`, `webhook`, `exec`, `nats` or `bot`.
    #[serde(rename = "type")]
    pub kind: String,
    /// True if events count as delivered without it.
    pub best_effort: bool,
    /// `running`, `retrying`, `resting`, `failed_to_start` or `broken`.
    pub state: String,
    /// The time at which it entered that state.
    pub since: String,
    /// The end of its rest, or the time of its child's next start.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_attempt: Option<String>,
    /// Its last complaint about an event.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_complaint: Option<SinkComplaint>,
    /// The last end of its child.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_exit: Option<SinkExit>,
    /// The last lines of its child's standard error, oldest first.
    pub last_lines: Vec<String>,
    /// Starts of its child.
    pub starts: u64,
    /// The restart budget of its child, once it has failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub budget: Option<SinkBudget>,
    /// The most events that its handler has at once.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub slots: Option<usize>,
    /// The accounts with most of these slots; 20 at most.
    pub slots_in_use: Vec<SlotUse>,
    /// Events that it did not accept and that are tried again.
    pub waiting: usize,
    /// Events that it has and has not answered.
    pub unanswered: usize,
    /// The events that have waited longest, those that are tried again first; 20 at most.
    pub events: Vec<SinkEvent>,
    /// Events that its filter left out, by the key that decided.
    pub filtered: Vec<FilteredEvents>,
    /// Events that it missed because it does not keep up; always 0 unless `best_effort` is true.
    pub lost: u64,
    /// Refused events that are kept as dead letters.
    pub dead_letters: usize,
    /// The accounts that deliver to it; the first 100 by name.
    pub accounts: Vec<String>,
    /// The number of accounts that deliver to it.
    pub account_count: usize,
}

/// Events that a key of a sink's filter left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FilteredEvents {
    /// The key in the configuration, such as `recovered`.
    pub key: String,
    /// The number of events since the host started.
    pub events: u64,
}

/// A complaint about an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SinkComplaint {
    /// The time.
    pub at: String,
    /// The complaint.
    pub text: String,
    /// The account of the event.
    pub account: String,
    /// The id of its channel.
    pub channel: String,
    /// Its id.
    pub event: String,
}

/// The end of a child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SinkExit {
    /// The time.
    pub at: String,
    /// The exit status, or the reason why it was ended.
    pub cause: String,
}

/// The restart budget of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SinkBudget {
    /// Failures left before it rests.
    pub left: u32,
    /// Failures in the window of the budget.
    pub used: u32,
}

/// The slots that an account uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SlotUse {
    /// The account.
    pub account: String,
    /// The number of slots.
    pub slots: usize,
}

/// An event that a sink has or has not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SinkEvent {
    /// The account that received it.
    pub account: String,
    /// The id of its channel.
    pub channel: String,
    /// Its id.
    pub event: String,
    /// The time at which it was offered first.
    pub since: String,
    /// Attempts that the sink answered.
    pub attempts: u32,
    /// The time of the next attempt; left out while the sink has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_attempt: Option<String>,
    /// The reason why it was not accepted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
}

/// An action on a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SinkAction {
    /// Ends its child and starts the next at once with its whole restart budget; ends its pauses and tries what waits.
    Restart,
    /// Ends its pauses, starts its child if none runs, and tries what waits at once.
    RetryNow,
}

impl SinkAction {
    /// Returns the word for the action in paths and commands.
    pub fn label(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::RetryNow => "retry-now",
        }
    }
}

/// The response to an accepted action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SinkActionAccepted {
    /// The sink.
    pub sink: String,
    /// The action.
    pub action: SinkAction,
}

/// The first event of a channel, to be taken from a sink and kept as a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SkipRequest {
    /// The account.
    pub account: String,
    /// The channel's id.
    pub channel: String,
    /// The event's id: nothing is skipped if another one is the first by now.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event: Option<String>,
}

/// A skipped event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Skipped {
    /// The sink.
    pub sink: String,
    /// The id of the event, which becomes a dead letter.
    pub event: String,
}

/// The dead letters of a sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetters {
    /// The newest 100, newest first.
    pub dead_letters: Vec<DeadLetter>,
    /// The number of all.
    pub total: usize,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// The time of the refusal.
    pub time: String,
    /// The account that received the event.
    pub account: String,
    /// The event's id; empty if it cannot be read.
    pub event: String,
    /// The beginning of the reply to the event, if it is the reply that could not be posted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reply: Option<String>,
    /// The reason of the refusal.
    pub cause: String,
}

/// A selection of dead letters. Without `ids` and `account` it selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LetterSelection {
    /// Only those of these events.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub ids: Vec<String>,
    /// Only those of this account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account: Option<String>,
}

/// The result of retrying dead letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetriedLetters {
    /// Letters that the handler accepted; they are gone.
    pub accepted: usize,
    /// Letters that the handler refused again; they are kept.
    pub refused: usize,
    /// Letters without a final answer; they are kept.
    pub remaining: usize,
    /// The reason why some remain.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// The selected `ids` without a dead letter here. If none has one, the response is a 404.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub unknown: Vec<String>,
}

/// The result of dropping dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DroppedLetters {
    /// The number of dropped letters.
    pub dropped: usize,
    /// The selected `ids` without a dead letter here. If none has one, the response is a 404.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub unknown: Vec<String>,
}
