//! What all actors of one account have in common.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use actix::{Addr, Message};
use tokio::sync::watch;

use super::{
    Observer, Supervisor, replies::SharedLoopGuard, server_gate::GateHandle, settings::HostSettings,
    shared_replay::SharedReplay,
};
use crate::{
    model::{
        AccountName, AccountState, CatchUpProgress, Fact, Generation, Probe, ServerName, Token, UserId,
        Witnesses,
    },
    policy::{PollTiming, SendPermission, SiblingWatch, send_permission},
    ports::ApiFactory,
};

/// What all actors of one account have in common, wherever they live. It is a value: what an operator changes makes a
/// new one, which those that run are told of.
#[derive(Clone)]
pub(super) struct AccountContext {
    pub(super) account: AccountName,
    pub(super) server: ServerName,
    pub(super) token: Token,
    pub(super) api: Arc<dyn ApiFactory>,
    pub(super) gate: GateHandle,
    pub(super) sibling_watch: SharedSiblingWatch,
    pub(super) loop_guard: SharedLoopGuard,
    pub(super) settings: Arc<HostSettings>,
    pub(super) observer: Observer,
    pub(super) stats: Arc<AccountStats>,
    pub(super) replay: SharedReplay,
    pub(super) supervisor: Addr<Supervisor>,
}

impl AccountContext {
    pub(super) fn observe(&self, generation: Generation, fact: Fact) {
        self.observer.publish_account(&self.account, &self.server, generation, fact);
    }
}

/// The operator changed something: the account's things are these from now on.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub(super) struct UpdateContext(pub(super) Arc<AccountContext>);

/// Now, by the clock that paused time moves.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The witness of one server, between all Connections of it. The lock is held for a look-up, never across a wait.
#[derive(Clone, Default)]
pub(super) struct SharedSiblingWatch(Arc<Mutex<SiblingWatch<AccountName>>>);

impl SharedSiblingWatch {
    pub(super) fn set_baseline(&self, user: &UserId, account: &AccountName, update_at: i64) {
        self.with(|sibling_watch| sibling_watch.set_baseline(user, account, update_at));
    }

    pub(super) fn on_user_updated(
        &self,
        now: Instant,
        user: &UserId,
        update_at: i64,
    ) -> PollTiming<AccountName> {
        self.with(|sibling_watch| sibling_watch.observe(now, user, update_at))
    }

    pub(super) fn forget(&self, account: &AccountName) {
        self.with(|sibling_watch| sibling_watch.forget(account));
    }

    fn with<T>(&self, f: impl FnOnce(&mut SiblingWatch<AccountName>) -> T) -> T {
        // A panic while it was held leaves a map that is whole.
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is counted at every event, readable from any thread without a message.
#[derive(Debug)]
pub(super) struct AccountStats {
    events: AtomicU64,
    last_event_ms: AtomicU64,
    last_good_probe_ms: AtomicU64,
    recovered: AtomicU64,
    catching_up: Mutex<Option<CatchUpProgress>>,
    witnesses: Mutex<Witnesses>,
    /// The state, and whether the host parts: what is to be said waits for it.
    state: watch::Sender<(AccountState, bool)>,
}

impl Default for AccountStats {
    fn default() -> Self {
        Self {
            events: AtomicU64::default(),
            last_event_ms: AtomicU64::default(),
            last_good_probe_ms: AtomicU64::default(),
            recovered: AtomicU64::default(),
            catching_up: Mutex::default(),
            witnesses: Mutex::default(),
            state: watch::Sender::new((AccountState::Connecting, false)),
        }
    }
}

impl AccountStats {
    pub(super) fn record_event(&self, at: SystemTime) {
        self.events.fetch_add(1, Ordering::Relaxed);
        self.last_event_ms.store(unix_ms(at), Ordering::Relaxed);
    }

    pub(super) fn record_good_probe(&self) {
        self.last_good_probe_ms.store(unix_ms(SystemTime::now()), Ordering::Relaxed);
    }

    pub(super) fn count_recovered(&self) {
        self.recovered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn recovered_count(&self) -> u64 {
        self.recovered.load(Ordering::Relaxed)
    }

    /// How far a catch-up is; none when there is none.
    pub(super) fn set_catch_up_progress(&self, progress: Option<CatchUpProgress>) {
        *self.catching_up.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    pub(super) fn catch_up_progress(&self) -> Option<CatchUpProgress> {
        *self.catching_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A poll was answered, or failed for a cause.
    pub(super) fn record_poll(&self, took: Duration, cause: Option<&str>) {
        self.saw(|witnesses| witnesses.poll = Some(probe(took, cause)));
    }

    /// An in-band ping was answered.
    pub(super) fn record_ping(&self, took: Duration, cause: Option<&str>) {
        self.saw(|witnesses| witnesses.ping = Some(probe(took, cause)));
    }

    /// An audit could tell.
    pub(super) fn record_audit(&self, took: Duration, cause: Option<&str>) {
        self.saw(|witnesses| witnesses.audit = Some(probe(took, cause)));
    }

    /// Another account's socket told of a change.
    pub(super) fn record_prompt(&self) {
        self.saw(|witnesses| witnesses.prompted = Some(SystemTime::now()));
    }

    /// What the witnesses said last.
    pub(super) fn witnesses(&self) -> Witnesses {
        self.witnesses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn saw(&self, note: impl FnOnce(&mut Witnesses)) {
        note(&mut self.witnesses.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn set_state(&self, state: AccountState) {
        self.state.send_modify(|now| now.0 = state);
    }

    /// The host ends: what was heard is still answered, also when the account has stopped.
    pub(super) fn begin_drain(&self) {
        self.state.send_modify(|now| now.1 = true);
    }

    pub(super) fn state(&self) -> AccountState {
        self.state.borrow().0
    }

    /// Waits until it is decided whether the account may speak.
    pub(super) async fn wait_for_send_permission(&self) -> SendPermission {
        let mut seen = self.state.subscribe();
        let decided = seen
            .wait_for(|(state, is_draining)| send_permission(*state, *is_draining) != SendPermission::Pending)
            .await;
        // The sender is here: it cannot be gone.
        decided.map_or(SendPermission::Denied, |now| send_permission(now.0, now.1))
    }

    pub(super) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    pub(super) fn last_event(&self) -> Option<SystemTime> {
        from_unix_ms(self.last_event_ms.load(Ordering::Relaxed))
    }

    pub(super) fn last_good_probe(&self) -> Option<SystemTime> {
        from_unix_ms(self.last_good_probe_ms.load(Ordering::Relaxed))
    }
}

fn probe(took: Duration, cause: Option<&str>) -> Probe {
    Probe { at: SystemTime::now(), took, cause: cause.map(Into::into) }
}

fn unix_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn from_unix_ms(ms: u64) -> Option<SystemTime> {
    (ms > 0).then(|| UNIX_EPOCH + Duration::from_millis(ms))
}
