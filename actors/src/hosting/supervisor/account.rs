//! The Supervisor's record of one account.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use actix::Addr;
use tokio::sync::oneshot;

use super::{AccountSpec, arbiter_pool::ArbiterSlot, timers::Timer};
use crate::{
    hosting::{
        account_context::{AccountContext, now},
        connection::Connection,
        delivery::{Delivery, Permits},
        replies::Replies,
    },
    model::{
        AccountDetail, AccountSnapshot, AccountState, CloseReason, Ending, Fact, Generation, ResumePoint,
        Stalls,
    },
    policy::{DeafTimer, RestartTracker},
};

/// Endings kept per account: enough to show a bad night, and little memory for ten thousand accounts.
const MAX_ENDINGS: usize = 10;

/// An account and its children.
pub(super) struct Account {
    pub(super) spec: AccountSpec,
    pub(super) context: Arc<AccountContext>,
    pub(super) tracker: RestartTracker,
    pub(super) state: AccountState,
    pub(super) since: SystemTime,
    pub(super) generation: Generation,
    pub(super) placement: Option<Placement>,
    pub(super) connection: Option<Addr<Connection>>,
    /// The resume point of the last socket, if its ending allows a resume.
    pub(super) resume: Option<ResumePoint>,
    /// The timer for the start of the next Connection, until it fires.
    pub(super) next_start: Option<Timer>,
    /// The deadline of a Connection that was asked to stop, until it has ended or the timer fires.
    pub(super) stop_timer: Option<Timer>,
    /// True if the current Connection has been ready.
    pub(super) was_ready: bool,
    /// The actor that posts for it, from the first reply on.
    pub(super) replies: Option<(ArbiterSlot, Addr<Replies>)>,
    pub(super) stalls: Stalls,
    /// True if a sibling saw the account change during this Connection: a poll's answer may be older than the change.
    pub(super) seen_by_sibling: bool,
    pub(super) intent: Intent,
    /// The last endings, oldest first.
    pub(super) endings: VecDeque<Arc<Ending>>,
    pub(super) restarts: u64,
    pub(super) deaf_timer: DeafTimer,
    /// The time spent ready before the last change of state, and the start of the current ready time.
    pub(super) ready: (Duration, Option<Instant>),
}

/// The sequel to the end of an account's current Connection.
///
/// `Run` and `Reconnect` change into a stop at any time; a stop into `StopThenStart` and back until the Connection has
/// ended; all of them into `Remove`, which is final. Starting a Connection sets `Run`.
#[derive(Debug)]
pub(super) enum Intent {
    /// Restart by the policy, according to the reason of the ending.
    Run,
    /// Start the next Connection at once and without a charge, for any reason: the configuration has changed.
    Reconnect,
    /// Stay stopped.
    Stop,
    /// Start again after the stop that is in progress.
    StopThenStart,
    /// Remove the account, then answer the caller that asked for it.
    Remove(oneshot::Sender<()>),
}

/// The location of an account's Delivery.
pub(super) struct Placement {
    pub(super) slot: ArbiterSlot,
    pub(super) delivery: Addr<Delivery>,
    pub(super) permits: Permits,
    /// True once the Delivery has reported its death; its mailbox may stay open for a moment longer.
    pub(super) delivery_died: bool,
}

impl Account {
    pub(super) fn new(spec: AccountSpec, context: Arc<AccountContext>) -> Self {
        Self {
            tracker: RestartTracker::new(context.settings.restart),
            spec,
            context,
            state: AccountState::Stopped,
            since: SystemTime::now(),
            generation: Generation::default(),
            placement: None,
            connection: None,
            resume: None,
            next_start: None,
            stop_timer: None,
            was_ready: false,
            replies: None,
            stalls: Stalls::default(),
            seen_by_sibling: false,
            intent: Intent::Run,
            endings: VecDeque::new(),
            restarts: 0,
            deaf_timer: DeafTimer::default(),
            ready: (Duration::ZERO, None),
        }
    }

    pub(super) fn is_being_removed(&self) -> bool {
        matches!(self.intent, Intent::Remove(_))
    }

    /// False if the account is stopped, being stopped or being removed.
    pub(super) fn is_to_run(&self) -> bool {
        self.state != AccountState::Stopped && !matches!(self.intent, Intent::Stop | Intent::Remove(_))
    }

    /// Starts the account again after a stop that is in progress; without one it changes nothing.
    pub(super) fn start_after_stop(&mut self) {
        if self.state == AccountState::Stopping {
            self.intent = Intent::StopThenStart;
        }
    }

    pub(super) fn set_state(&mut self, state: AccountState) {
        if self.state != state {
            self.state = state;
            self.since = SystemTime::now();
            self.ready = (self.ready_for(), (state == AccountState::Ready).then(now));
            self.context.stats.set_state(state);
        }
    }

    pub(super) fn observe(&self, fact: Fact) {
        self.context.observe(self.generation, fact);
    }

    pub(super) fn snapshot(&mut self) -> AccountSnapshot {
        let now = now();
        let stats = &self.context.stats;
        AccountSnapshot {
            account: self.spec.name.clone(),
            server: self.spec.server.clone(),
            user: stats.user(),
            sinks: self.spec.sink.names(),
            state: self.state,
            since: self.since,
            generation: self.generation,
            events: stats.events(),
            last_event: stats.last_event(),
            last_good_probe: stats.last_good_probe(),
            recovered: stats.recovered_count(),
            catching_up: stats.catch_up_progress(),
            ready_for: self.ready_for(),
            restarts: self.restarts,
            restarts_in_window: self.tracker.budget().used(now),
            budget_left: self.tracker.budget().remaining(now),
            last_ending: self.endings.back().cloned(),
            stalls: self.stalls,
            waiting_channels: stats.waiting_channels(),
            queued: self.queued(),
            next_attempt_in: self.next_attempt_in(now),
        }
    }

    fn queued(&self) -> usize {
        let in_use = self.placement.as_ref().map_or(0, |placement| placement.permits.in_use());
        // A Connection holds one permit while it reads the socket.
        in_use.saturating_sub(usize::from(self.connection.is_some()))
    }

    /// Returns the details of the account, without those of its delivery queue.
    pub(super) fn detail(&mut self) -> AccountDetail {
        AccountDetail {
            snapshot: self.snapshot(),
            endings: self.endings.iter().rev().cloned().collect(),
            witnesses: self.context.stats.witnesses(),
            waiting: None,
        }
    }

    /// Records the ending of a Connection.
    pub(super) fn record_ending(&mut self, ending: Ending) {
        self.deaf_timer.ended(ending.at, &ending.reason);
        if self.endings.len() == MAX_ENDINGS {
            self.endings.pop_front();
        }
        self.endings.push_back(Arc::new(ending));
    }

    /// Records in the last ending that the account is ready again.
    pub(super) fn record_recovery(&mut self) {
        if let Some(last) = self.endings.back_mut().filter(|last| last.back_after.is_none()) {
            let back_after = SystemTime::now().duration_since(last.at).unwrap_or_default();
            Arc::make_mut(last).back_after = Some(back_after);
        }
    }

    pub(super) fn last_reason(&self) -> Option<&CloseReason> {
        self.endings.back().map(|last| &last.reason)
    }

    /// Returns the total time that the account was ready.
    fn ready_for(&self) -> Duration {
        let (before, since) = self.ready;
        before + since.map_or(Duration::ZERO, |since| now().saturating_duration_since(since))
    }

    fn next_attempt_in(&self, now: Instant) -> Option<Duration> {
        self.next_start.as_ref().map(|timer| timer.at.saturating_duration_since(now))
    }
}
