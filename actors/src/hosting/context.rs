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
    shared_replay::SharedBook,
};
use crate::{
    model::{
        AccountName, AccountState, CatchUpProgress, Fact, Generation, Probe, ServerName, Token, UserId,
        Witnesses,
    },
    policy::{Prompt, Standing, Witness, standing},
    ports::ApiFactory,
};

/// What all actors of one account have in common, wherever they live. It is a value: what an operator changes makes a
/// new one, which those that run are told of.
#[derive(Clone)]
pub(super) struct Env {
    pub(super) account: AccountName,
    pub(super) server: ServerName,
    pub(super) token: Token,
    pub(super) api: Arc<dyn ApiFactory>,
    pub(super) gate: GateHandle,
    pub(super) witness: SharedWitness,
    pub(super) guard: SharedLoopGuard,
    pub(super) settings: Arc<HostSettings>,
    pub(super) observer: Observer,
    pub(super) vitals: Arc<Vitals>,
    pub(super) book: SharedBook,
    pub(super) supervisor: Addr<Supervisor>,
}

impl Env {
    pub(super) fn observe(&self, generation: Generation, fact: Fact) {
        self.observer.account(&self.account, &self.server, generation, fact);
    }
}

/// The operator changed something: the account's things are these from now on.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub(super) struct Renew(pub(super) Arc<Env>);

/// Now, by the clock that paused time moves.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The witness of one server, between all Connections of it. The lock is held for a look-up, never across a wait.
#[derive(Clone, Default)]
pub(super) struct SharedWitness(Arc<Mutex<Witness<AccountName>>>);

impl SharedWitness {
    pub(super) fn baseline(&self, user: &UserId, account: &AccountName, update_at: i64) {
        self.with(|witness| witness.baseline(user, account, update_at));
    }

    pub(super) fn saw(&self, now: Instant, user: &UserId, update_at: i64) -> Prompt<AccountName> {
        self.with(|witness| witness.saw(now, user, update_at))
    }

    pub(super) fn forget(&self, account: &AccountName) {
        self.with(|witness| witness.forget(account));
    }

    fn with<T>(&self, f: impl FnOnce(&mut Witness<AccountName>) -> T) -> T {
        // A panic while it was held leaves a map that is whole.
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is counted at every event, readable from any thread without a message.
#[derive(Debug)]
pub(super) struct Vitals {
    events: AtomicU64,
    last_event_ms: AtomicU64,
    last_good_probe_ms: AtomicU64,
    recovered: AtomicU64,
    catching_up: Mutex<Option<CatchUpProgress>>,
    witnesses: Mutex<Witnesses>,
    /// The state, and whether the host parts: what is to be said waits for it.
    state: watch::Sender<(AccountState, bool)>,
}

impl Default for Vitals {
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

impl Vitals {
    pub(super) fn heard_event(&self, at: SystemTime) {
        self.events.fetch_add(1, Ordering::Relaxed);
        self.last_event_ms.store(unix_ms(at), Ordering::Relaxed);
    }

    pub(super) fn good_probe(&self) {
        self.last_good_probe_ms.store(unix_ms(SystemTime::now()), Ordering::Relaxed);
    }

    pub(super) fn recovered(&self) {
        self.recovered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn recovered_so_far(&self) -> u64 {
        self.recovered.load(Ordering::Relaxed)
    }

    /// How far a catch-up is; none when there is none.
    pub(super) fn catches_up(&self, progress: Option<CatchUpProgress>) {
        *self.catching_up.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    pub(super) fn catching_up(&self) -> Option<CatchUpProgress> {
        *self.catching_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A poll was answered, or failed for a cause.
    pub(super) fn polled(&self, took: Duration, cause: Option<&str>) {
        self.saw(|said| said.poll = Some(probe(took, cause)));
    }

    /// An in-band ping was answered.
    pub(super) fn pinged(&self, took: Duration, cause: Option<&str>) {
        self.saw(|said| said.ping = Some(probe(took, cause)));
    }

    /// An audit could tell.
    pub(super) fn audited(&self, took: Duration, cause: Option<&str>) {
        self.saw(|said| said.audit = Some(probe(took, cause)));
    }

    /// Another account's socket told of a change.
    pub(super) fn prompted(&self) {
        self.saw(|said| said.prompted = Some(SystemTime::now()));
    }

    /// What the witnesses said last.
    pub(super) fn witnesses(&self) -> Witnesses {
        self.witnesses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn saw(&self, note: impl FnOnce(&mut Witnesses)) {
        note(&mut self.witnesses.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn enters(&self, state: AccountState) {
        self.state.send_modify(|now| now.0 = state);
    }

    /// The host ends: what was heard is still answered, also when the account has stopped.
    pub(super) fn parts(&self) {
        self.state.send_modify(|now| now.1 = true);
    }

    pub(super) fn state(&self) -> AccountState {
        self.state.borrow().0
    }

    /// Waits until it is decided whether the account may speak.
    pub(super) async fn until_decided(&self) -> Standing {
        let mut seen = self.state.subscribe();
        let decided = seen.wait_for(|(state, parting)| standing(*state, *parting) != Standing::Waits).await;
        // The sender is here: it cannot be gone.
        decided.map_or(Standing::Stopped, |now| standing(now.0, now.1))
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
