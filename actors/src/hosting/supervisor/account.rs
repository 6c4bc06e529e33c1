//! What the Supervisor remembers of one account.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use actix::{Addr, SpawnHandle};
use tokio::sync::oneshot;

use super::{AccountSpec, arbiter_pool::ArbiterSlot};
use crate::{
    hosting::{
        connection::Connection,
        context::{AccountContext, now},
        delivery::{Delivery, Permits},
        replies::Replies,
    },
    model::{
        AccountDetail, AccountSnapshot, AccountState, CloseReason, Ending, Fact, Generation, ResumePoint,
        Stalls,
    },
    policy::{DeafTimer, RestartTracker},
};

/// Endings remembered of each account: a night's worth of one that is ill, and little memory for ten thousand.
const MOST_ENDINGS: usize = 10;

/// One account and its children.
#[expect(clippy::struct_excessive_bools, reason = "facts that any state can go along with")]
pub(super) struct Account {
    pub(super) spec: AccountSpec,
    pub(super) context: Arc<AccountContext>,
    pub(super) tracker: RestartTracker,
    pub(super) state: AccountState,
    pub(super) since: SystemTime,
    pub(super) generation: Generation,
    pub(super) placement: Option<Placement>,
    pub(super) connection: Option<Addr<Connection>>,
    /// Where the last socket may be taken up again, if its ending allows it.
    pub(super) resume: Option<ResumePoint>,
    /// When the next Connection starts, and the timer for it.
    pub(super) next_start: Option<(Instant, SpawnHandle)>,
    /// Ends the wait for a Connection that was told to stop.
    pub(super) stop_timer: Option<SpawnHandle>,
    /// Whether the Connection that runs has been ready.
    pub(super) was_ready: bool,
    /// What posts for it, once it was asked to.
    pub(super) replies: Option<(ArbiterSlot, Addr<Replies>)>,
    pub(super) stalls: Stalls,
    /// A sibling saw the account change while it was being asked: what that brings may be older.
    pub(super) seen_by_sibling: bool,
    pub(super) removing: bool,
    /// Dropped when it is forgotten: whoever asked for that waits for it.
    pub(super) removal_waiters: Vec<oneshot::Sender<()>>,
    /// To be started again when it has stopped.
    pub(super) restart_after_stop: bool,
    /// What its Connection began with has changed: the next begins at once, whatever ends this one.
    pub(super) config_changed: bool,
    /// How the last Connections ended, oldest first.
    pub(super) endings: VecDeque<Arc<Ending>>,
    pub(super) restarts: u64,
    pub(super) deaf_timer: DeafTimer,
    /// How long it was ready, up to the last time that it came into or left that state; and since when it is.
    pub(super) ready: (Duration, Option<Instant>),
}

/// Where an account's children live.
pub(super) struct Placement {
    pub(super) slot: ArbiterSlot,
    pub(super) delivery: Addr<Delivery>,
    pub(super) permits: Permits,
    /// The Delivery said that it died: its mailbox may look alive for a moment.
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
            removing: false,
            removal_waiters: Vec::new(),
            restart_after_stop: false,
            config_changed: false,
            endings: VecDeque::new(),
            restarts: 0,
            deaf_timer: DeafTimer::default(),
            ready: (Duration::ZERO, None),
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
            queued: self.queued(),
            next_attempt_in: self.next_attempt_in(now),
        }
    }

    fn queued(&self) -> usize {
        let taken = self.placement.as_ref().map_or(0, |placement| placement.permits.in_use());
        // The socket is read with one in hand.
        taken.saturating_sub(usize::from(self.connection.is_some()))
    }

    /// What is known beyond the snapshot, but for what waits for the sink.
    pub(super) fn detail(&mut self) -> AccountDetail {
        AccountDetail {
            snapshot: self.snapshot(),
            endings: self.endings.iter().rev().cloned().collect(),
            witnesses: self.context.stats.witnesses(),
            waiting: None,
        }
    }

    /// Takes note of an ending.
    pub(super) fn record_ending(&mut self, ending: Ending) {
        self.deaf_timer.ended(ending.at, &ending.reason);
        if self.endings.len() == MOST_ENDINGS {
            self.endings.pop_front();
        }
        self.endings.push_back(Arc::new(ending));
    }

    /// The account is ready again: the last ending is over.
    pub(super) fn record_recovery(&mut self) {
        if let Some(last) = self.endings.back_mut().filter(|last| last.back_after.is_none()) {
            let back_after = SystemTime::now().duration_since(last.at).unwrap_or_default();
            Arc::make_mut(last).back_after = Some(back_after);
        }
    }

    /// Whether the last Connection ended for that reason.
    pub(super) fn last_ended_with(&self, reason: &CloseReason) -> bool {
        self.endings.back().is_some_and(|last| last.reason == *reason)
    }

    /// How long it was ready in all.
    fn ready_for(&self) -> Duration {
        let (before, since) = self.ready;
        before + since.map_or(Duration::ZERO, |since| now().saturating_duration_since(since))
    }

    fn next_attempt_in(&self, now: Instant) -> Option<Duration> {
        self.next_start.as_ref().map(|(at, _)| at.saturating_duration_since(now))
    }
}
