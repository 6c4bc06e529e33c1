//! What the Supervisor remembers of one account.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use actix::{Addr, SpawnHandle};
use tokio::sync::oneshot;

use super::{AccountSpec, pool::Place};
use crate::{
    actors::{
        connection::Connection,
        delivery::{Delivery, Permits},
        env::{Env, now},
        replies::Replies,
    },
    model::{AccountSnapshot, AccountState, CloseReason, Fact, Generation, ResumePoint},
    policy::RestartTracker,
};

/// One account and its children.
#[expect(clippy::struct_excessive_bools, reason = "facts that any state can go along with")]
pub(super) struct Account {
    pub(super) spec: AccountSpec,
    pub(super) env: Arc<Env>,
    pub(super) tracker: RestartTracker,
    pub(super) state: AccountState,
    pub(super) since: SystemTime,
    pub(super) generation: Generation,
    pub(super) home: Option<Home>,
    pub(super) connection: Option<Addr<Connection>>,
    /// Where the last socket may be taken up again, if its ending allows it.
    pub(super) resume: Option<ResumePoint>,
    /// When the next Connection starts, and the timer for it.
    pub(super) next_start: Option<(Instant, SpawnHandle)>,
    /// Ends the wait for a Connection that was told to stop.
    pub(super) patience: Option<SpawnHandle>,
    /// Whether the Connection that runs has been ready.
    pub(super) was_ready: bool,
    /// What posts for it, once it was asked to.
    pub(super) replies: Option<(Place, Addr<Replies>)>,
    pub(super) stalls: Stalls,
    /// A sibling saw the account change while it was being asked: what that brings may be older.
    pub(super) prompted: bool,
    pub(super) removing: bool,
    /// Dropped when it is forgotten: whoever asked for that waits for it.
    pub(super) removed: Vec<oneshot::Sender<()>>,
    /// To be started again when it has stopped.
    pub(super) start_again: bool,
    /// What its Connection began with has changed: the next begins at once, whatever ends this one.
    pub(super) changed: bool,
    pub(super) last_close: Option<CloseReason>,
    pub(super) restarts: u64,
}

/// What takes nothing at the moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stalls {
    pub(super) sink: bool,
    pub(super) store: bool,
}

impl Stalls {
    pub(super) fn any(self) -> bool {
        self.sink || self.store
    }
}

/// Where an account's children live.
pub(super) struct Home {
    pub(super) place: Place,
    pub(super) delivery: Addr<Delivery>,
    pub(super) permits: Permits,
    /// The Delivery said that it died: its mailbox may look alive for a moment.
    pub(super) dead: bool,
}

impl Account {
    pub(super) fn new(spec: AccountSpec, env: Arc<Env>) -> Self {
        Self {
            tracker: RestartTracker::new(env.settings.restart),
            spec,
            env,
            state: AccountState::Stopped,
            since: SystemTime::now(),
            generation: Generation::default(),
            home: None,
            connection: None,
            resume: None,
            next_start: None,
            patience: None,
            was_ready: false,
            replies: None,
            stalls: Stalls::default(),
            prompted: false,
            removing: false,
            removed: Vec::new(),
            start_again: false,
            changed: false,
            last_close: None,
            restarts: 0,
        }
    }

    pub(super) fn enter(&mut self, state: AccountState) {
        if self.state != state {
            self.state = state;
            self.since = SystemTime::now();
            self.env.vitals.enters(state);
        }
    }

    pub(super) fn observe(&self, fact: Fact) {
        self.env.observe(self.generation, fact);
    }

    pub(super) fn snapshot(&mut self) -> AccountSnapshot {
        let now = now();
        let vitals = &self.env.vitals;
        AccountSnapshot {
            account: self.spec.name.clone(),
            server: self.spec.server.clone(),
            state: self.state,
            since: self.since,
            generation: self.generation,
            events: vitals.events(),
            last_event: vitals.last_event(),
            last_good_probe: vitals.last_good_probe(),
            recovered: vitals.recovered_so_far(),
            catching_up: vitals.catching_up(),
            restarts: self.restarts,
            restarts_in_window: self.tracker.budget().used(now),
            budget_left: self.tracker.budget().left(now),
            last_close: self.last_close.clone(),
            next_attempt_in: self.next_attempt_in(now),
        }
    }

    fn next_attempt_in(&self, now: Instant) -> Option<Duration> {
        self.next_start.as_ref().map(|(at, _)| at.saturating_duration_since(now))
    }
}
