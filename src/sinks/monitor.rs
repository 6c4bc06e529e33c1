//! The state of a sink as operators see it, and their commands to it.
//!
//! The sink and the wrapper around it record what happens; the admin API reads snapshots. Clones share one state.

mod event_attempts;
mod forgotten_accounts;
mod operator_commands;
mod sink_snapshot;

pub(super) use self::{event_attempts::Attempted, operator_commands::CommandReceiver};
pub use self::{
    event_attempts::SkipError,
    sink_snapshot::{AttemptSnapshot, Budget, Complaint, Exit, SinkSnapshot, SinkState},
};

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime},
};

use matterhost_actors::model::{AccountName, Excerpt};
use parking_lot::Mutex;

use self::{event_attempts::Attempts, operator_commands::Commands, sink_snapshot::Phase};
use super::message::Message;
use crate::telemetry::metrics::SinkMeter;

/// The kept lines of a child's standard error: the end of a stack trace.
const KEPT_LINES: usize = 5;

/// The state of one sink.
#[derive(Debug, Clone, Default)]
pub(super) struct SinkMonitor(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    record: Mutex<Record>,
    commands: Commands,
    /// Held while the dead letters are retried.
    retrying_letters: tokio::sync::Mutex<()>,
    /// The accounts that the sink is to forget.
    forgotten: Mutex<BTreeSet<AccountName>>,
    /// The meter of the state; `None` in tests.
    meter: Option<SinkMeter>,
}

/// The record of what happened to a sink.
#[derive(Debug)]
struct Record {
    phase: Phase,
    /// The state at the last change, and its time.
    shown: (SinkState, SystemTime),
    complaint: Option<Complaint>,
    exit: Option<Exit>,
    /// The last lines of standard error, oldest first.
    last_lines: VecDeque<Excerpt>,
    /// The restart budget of a child.
    budget: Option<Budget>,
    starts: u64,
    slots: BTreeMap<AccountName, usize>,
    attempts: Attempts,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            phase: Phase::default(),
            shown: (SinkState::Running, SystemTime::now()),
            complaint: None,
            exit: None,
            last_lines: VecDeque::new(),
            budget: None,
            starts: 0,
            slots: BTreeMap::new(),
            attempts: Attempts::default(),
        }
    }
}

impl SinkMonitor {
    /// Creates the state of a sink that is about to run.
    pub(super) fn new(meter: SinkMeter) -> Self {
        let monitor = Self(Arc::new(Shared { meter: Some(meter), ..Shared::default() }));
        monitor.update(|_| {});
        monitor
    }

    fn meter(&self) -> Option<&SinkMeter> {
        self.0.meter.as_ref()
    }

    /// Records that the sink's child has started.
    pub(super) fn child_started(&self) {
        self.update(|record| {
            record.phase = Phase::Running;
            record.starts += 1;
        });
    }

    /// Records the end of a child.
    pub(super) fn child_ended(&self, cause: &str) {
        let exit = Exit { at: SystemTime::now(), cause: Excerpt::of(cause) };
        self.update(|record| record.exit = Some(exit));
    }

    /// Returns the reason of the last end of the child.
    pub(super) fn last_exit(&self) -> Option<Excerpt> {
        self.0.record.lock().exit.as_ref().map(|exit| exit.cause.clone())
    }

    /// Records that the next child starts after the delay. `resting` is true if the restart budget is spent.
    pub(super) fn child_waits(&self, wait: Duration, resting: bool, failed_to_start: bool, budget: Budget) {
        let until = SystemTime::now() + wait;
        self.update(|record| {
            record.phase = match (failed_to_start, resting) {
                (true, _) => Phase::FailedToStart { until },
                (false, true) => Phase::Resting { until },
                (false, false) => Phase::Restarting { until },
            };
            record.budget = Some(budget);
        });
    }

    /// Records that the whole sink pauses for that long, as its handler asked.
    pub(super) fn pauses(&self, pause: Duration) {
        let until = SystemTime::now() + pause;
        self.update(|record| record.phase = Phase::Resting { until });
    }

    /// Records a line of a child's standard error.
    pub(super) fn record_line(&self, line: Excerpt) {
        let lines = &mut self.0.record.lock().last_lines;
        if lines.len() >= KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// Records that a reply to an event could not be posted.
    pub(super) fn record_unposted(&self, event: &Message, error: &str, is_kept: bool) {
        let then = if is_kept { "it is a dead letter" } else { "it is dropped" };
        let complaint = Complaint {
            at: SystemTime::now(),
            text: Excerpt::of(&format_args!("a reply cannot be posted, {then}: {error}")),
            account: event.account.clone(),
            channel: event.channel.clone(),
            event: Excerpt::of(&event.id),
        };
        self.update(|record| record.complaint = Some(complaint));
    }

    /// Records that an account has one more slot.
    pub(super) fn take_slot(&self, account: &AccountName) {
        *self.0.record.lock().slots.entry(account.clone()).or_default() += 1;
    }

    /// Records that an account has one slot less.
    pub(super) fn free_slot(&self, account: &AccountName) {
        let slots = &mut self.0.record.lock().slots;
        if let Some(in_use) = slots.get_mut(account) {
            *in_use -= 1;
            if *in_use == 0 {
                slots.remove(account);
            }
        }
    }

    /// Records that no account has a slot.
    pub(super) fn free_all_slots(&self) {
        self.0.record.lock().slots.clear();
    }

    /// Returns a receiver of the commands from now on.
    pub(super) fn commands(&self) -> CommandReceiver {
        self.0.commands.subscribe()
    }

    /// Asks the sink to start its handler anew and to try everything at once.
    pub(super) fn request_restart(&self) {
        self.end_pause();
        self.0.commands.request_restart();
    }

    /// Asks the sink to end its pauses and to try everything at once.
    pub(super) fn request_retry(&self) {
        self.end_pause();
        self.0.commands.request_retry();
    }

    /// Returns a guard for a retry of the dead letters.
    ///
    /// # Errors
    /// If one is running.
    pub(super) fn begin_retry(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, tokio::sync::TryLockError> {
        self.0.retrying_letters.try_lock()
    }

    fn end_pause(&self) {
        self.update(|record| {
            if let Phase::Resting { .. } = record.phase
                && record.budget.is_none()
            {
                record.phase = Phase::Running;
            }
        });
    }

    /// Changes the record, and then the shown state.
    fn update<T>(&self, change: impl FnOnce(&mut Record) -> T) -> T {
        let now = SystemTime::now();
        let mut record = self.0.record.lock();
        let result = change(&mut record);
        record.refresh(now);
        if let Some(meter) = &self.0.meter {
            meter.set_state(record.shown.0.label(), record.attempts.waiting());
        }
        result
    }
}

impl Record {
    /// Computes the shown state.
    fn refresh(&mut self, now: SystemTime) {
        let state = self.phase.state(self.attempts.waiting() > 0, now);
        if self.shown.0 != state {
            self.shown = (state, now);
        }
    }
}

#[cfg(test)]
mod tests;
