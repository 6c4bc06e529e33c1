//! The state of a sink at one moment.

use std::{sync::Arc, time::SystemTime};

use matterhost_actors::model::{AccountName, ChannelId, Excerpt};

use super::{SinkMonitor, event_attempts::Attempted};
use crate::telemetry::metrics::SinkMeter;

/// The state of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkState {
    /// It accepts events.
    Running,
    /// Events wait to be tried again, or its handler restarts in a moment.
    Retrying,
    /// It waits longer: its restart budget is spent, or its handler asked for a pause.
    Resting,
    /// The program of its handler cannot be started; it is tried again.
    FailedToStart,
    /// Its thread has died, standard output was closed, or a bot in Rust fails on all events.
    Broken,
}

impl SinkState {
    /// All states.
    pub const ALL: [Self; 5] =
        [Self::Running, Self::Retrying, Self::Resting, Self::FailedToStart, Self::Broken];

    /// Returns the state in one word, as the API and the metrics spell it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Resting => "resting",
            Self::FailedToStart => "failed_to_start",
            Self::Broken => "broken",
        }
    }
}

/// The phase of a sink as a whole, apart from its events.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Phase {
    #[default]
    Running,
    Restarting {
        until: SystemTime,
    },
    Resting {
        until: SystemTime,
    },
    FailedToStart {
        until: SystemTime,
    },
    Broken,
}

impl Phase {
    /// Returns the state; `has_waiting` is true if an event waits to be tried again.
    pub(super) fn state(self, has_waiting: bool, now: SystemTime) -> SinkState {
        match self {
            Self::FailedToStart { .. } => SinkState::FailedToStart,
            Self::Broken => SinkState::Broken,
            Self::Resting { until } if until > now => SinkState::Resting,
            Self::Restarting { .. } => SinkState::Retrying,
            Self::Running | Self::Resting { .. } if has_waiting => SinkState::Retrying,
            Self::Running | Self::Resting { .. } => SinkState::Running,
        }
    }

    /// Returns the phase after an accepted event.
    pub(super) fn after_answer(self, how: Attempted) -> Self {
        match self {
            Self::Broken if how == Attempted::Answered => Self::Running,
            phase => phase,
        }
    }

    fn until(self, now: SystemTime) -> Option<SystemTime> {
        match self {
            Self::Restarting { until } | Self::Resting { until } | Self::FailedToStart { until } => {
                Some(until).filter(|until| *until > now)
            }
            Self::Running | Self::Broken => None,
        }
    }
}

/// The last complaint of a sink about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The time.
    pub at: SystemTime,
    /// The complaint, such as the status and the beginning of an answer.
    pub text: Excerpt,
    /// The account of the event.
    pub account: AccountName,
    /// The channel of the event.
    pub channel: ChannelId,
    /// The id of the event.
    pub event: Excerpt,
}

/// The last end of a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// The time.
    pub at: SystemTime,
    /// The exit status, or the reason why it was ended.
    pub cause: Excerpt,
}

/// The restart budget of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The failures that may still come before it rests.
    pub left: u32,
    /// The failures that count at the moment.
    pub used: u32,
}

/// An event that a sink has or has not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptSnapshot {
    /// The account that received it.
    pub account: AccountName,
    /// Its channel.
    pub channel: ChannelId,
    /// Its id.
    pub event: Excerpt,
    /// The time at which it was offered first.
    pub since: SystemTime,
    /// The answers of the handler to it so far.
    pub answers: u32,
    /// The time of the next attempt; `None` while the sink has it.
    pub next: Option<SystemTime>,
    /// The reason why it was not accepted.
    pub cause: Option<Excerpt>,
}

/// The state of a sink at one moment.
#[derive(Debug, Clone)]
pub struct SinkSnapshot {
    /// Its state.
    pub state: SinkState,
    /// The time at which it entered that state.
    pub since: SystemTime,
    /// The end of the rest, or the next start of its handler.
    pub next: Option<SystemTime>,
    /// The last complaint about an event.
    pub complaint: Option<Complaint>,
    /// The last end of its child.
    pub exit: Option<Exit>,
    /// The last lines of its child's standard error, oldest first.
    pub last_lines: Vec<Excerpt>,
    /// The restart budget of its child.
    pub budget: Option<Budget>,
    /// The starts of its child.
    pub starts: u64,
    /// The slots in use, by account.
    pub slots: Vec<(AccountName, usize)>,
    /// The number of events that wait to be tried again.
    pub waiting: usize,
    /// The number of events that the sink has and has not answered.
    pub unanswered: usize,
    /// The events that wait longest, those to be tried again first.
    pub events: Vec<AttemptSnapshot>,
    /// The keys of its filter that left events out, with the numbers of events.
    pub left_out: Vec<(&'static str, u64)>,
    /// The number of events that it missed because it does not keep up.
    pub lost: u64,
    /// The names of the accounts that deliver to it.
    pub accounts: Arc<[AccountName]>,
}

impl SinkMonitor {
    /// Returns the state now.
    pub(in crate::sinks) fn snapshot(&self, accounts: Arc<[AccountName]>) -> SinkSnapshot {
        let meter = self.meter();
        self.update(|record| {
            let now = SystemTime::now();
            let (waiting, unanswered, events) = record.attempts.snapshot();
            record.refresh(now);
            SinkSnapshot {
                state: record.shown.0,
                since: record.shown.1,
                next: record.phase.until(now),
                complaint: record.complaint.clone(),
                exit: record.exit.clone(),
                last_lines: record.last_lines.iter().cloned().collect(),
                budget: record.budget,
                starts: record.starts,
                slots: record.slots.iter().map(|(account, in_use)| (account.clone(), *in_use)).collect(),
                waiting,
                unanswered,
                events,
                left_out: meter.map(SinkMeter::left_out).unwrap_or_default(),
                lost: meter.map(SinkMeter::lost).unwrap_or_default(),
                accounts,
            }
        })
    }
}
