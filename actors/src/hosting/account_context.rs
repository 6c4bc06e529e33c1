//! State that the actors of one account share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use actix::{Addr, Message};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Observer, Supervisor, known_names::Directory, replies::SharedLoopGuard, server_gate::GateHandle,
    server_limits::SharedServerLimits, settings::HostSettings, shared_replay::SharedReplay,
    shared_sibling_watch::SharedSiblingWatch,
};
use crate::{
    model::{
        AccountName, AccountState, CatchUpProgress, Excerpt, Fact, Generation, Probe, ServerName, Token,
        WaitingChannels, Witnesses,
    },
    policy::{PingSettings, SendPermission, send_permission},
    ports::{AccountFence, ApiFactory},
};

/// The settings, handles and statistics that the actors of one account share.
///
/// It is immutable: a configuration change builds a new one and sends it to the running actors as [`UpdateContext`].
#[derive(Clone)]
pub(super) struct AccountContext {
    pub(super) account: AccountName,
    pub(super) server: ServerName,
    pub(super) token: Token,
    pub(super) api: Arc<dyn ApiFactory>,
    pub(super) gate: GateHandle,
    pub(super) sibling_watch: SharedSiblingWatch,
    pub(super) ping_rate: PingRate,
    pub(super) loop_guard: SharedLoopGuard,
    pub(super) directory: Directory,
    pub(super) server_limits: SharedServerLimits,
    pub(super) settings: Arc<HostSettings>,
    pub(super) observer: Observer,
    pub(super) stats: Arc<AccountStats>,
    pub(super) replay: SharedReplay,
    pub(super) fence: Option<Arc<dyn AccountFence>>,
    pub(super) supervisor: Addr<Supervisor>,
}

impl AccountContext {
    pub(super) fn observe(&self, generation: Generation, fact: Fact) {
        self.observer.publish_account(&self.account, &self.server, generation, fact);
    }

    /// Returns true unless another host owns the account by now.
    pub(super) fn may_act(&self) -> bool {
        self.fence.as_ref().is_none_or(|fence| fence.is_open(&self.account))
    }
}

/// Replaces the receiver's context after a configuration change.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub(super) struct UpdateContext(pub(super) Arc<AccountContext>);

/// Returns the current time of tokio's clock, which tests can pause.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The pace of pings on one server, shared by all its Connections.
#[derive(Clone, Default)]
pub(super) struct PingRate(Arc<PingShare>);

#[derive(Debug, Default)]
struct PingShare {
    /// The number of accounts with a working socket.
    connected: AtomicUsize,
    /// The time without traffic after which a proxy ends a socket, in milliseconds; 0 if none is known.
    idle_limit_ms: AtomicU64,
}

/// The part of one Connection in the number of connected accounts, until it is dropped: also after a panic or with its
/// Arbiter.
#[derive(Debug)]
pub(super) struct ConnectedGuard(Arc<PingShare>);

impl PingRate {
    /// Counts a Connection until the guard is dropped.
    pub(super) fn enter(&self) -> ConnectedGuard {
        self.0.connected.fetch_add(1, Ordering::Relaxed);
        ConnectedGuard(self.0.clone())
    }

    /// Limits the interval between pings to half the time without traffic after which a proxy ends a socket.
    pub(super) fn limit_idle(&self, idle: Duration) {
        let ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        self.0.idle_limit_ms.store(ms, Ordering::Relaxed);
    }

    /// Returns the time between the pings of an account.
    pub(super) fn interval(&self, settings: &PingSettings) -> Duration {
        let shared = settings.interval_for(self.0.connected.load(Ordering::Relaxed));
        match self.0.idle_limit_ms.load(Ordering::Relaxed) {
            0 => shared,
            idle => shared.min(Duration::from_millis(idle) / 2),
        }
    }
}

impl Drop for ConnectedGuard {
    fn drop(&mut self) {
        self.0.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Statistics and the state of one account, readable from any thread without a message.
#[derive(Debug)]
pub(super) struct AccountStats {
    events: AtomicU64,
    last_event_ms: AtomicU64,
    last_good_probe_ms: AtomicU64,
    recovered: AtomicU64,
    catching_up: Mutex<Option<CatchUpProgress>>,
    witnesses: Mutex<Witnesses>,
    /// The name of the account's Mattermost user.
    user: Mutex<Option<Arc<str>>>,
    /// The channels whose next event the sink did not accept.
    waiting_channels: Mutex<Option<WaitingChannels>>,
    /// The state, and true once the account drains. Replies wait on it for permission to be sent.
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
            user: Mutex::default(),
            waiting_channels: Mutex::default(),
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

    /// Sets the progress of the catch-up; `None` when none is running.
    pub(super) fn set_catch_up_progress(&self, progress: Option<CatchUpProgress>) {
        *self.catching_up.lock() = progress;
    }

    pub(super) fn catch_up_progress(&self) -> Option<CatchUpProgress> {
        *self.catching_up.lock()
    }

    /// Records the result of a poll; `cause` is set if it failed.
    pub(super) fn record_poll(&self, took: Duration, cause: Option<&Excerpt>) {
        self.witnesses.lock().poll = Some(probe(took, cause));
    }

    /// Records the result of an in-band ping; `cause` is set if it failed.
    pub(super) fn record_ping(&self, took: Duration, cause: Option<&Excerpt>) {
        self.witnesses.lock().ping = Some(probe(took, cause));
    }

    /// Records the result of an audit; `cause` is set if it failed or found a missed post.
    pub(super) fn record_audit(&self, took: Duration, cause: Option<&Excerpt>) {
        self.witnesses.lock().audit = Some(probe(took, cause));
    }

    /// Records that another account's socket reported a change of this account.
    pub(super) fn record_prompt(&self) {
        self.witnesses.lock().prompted = Some(SystemTime::now());
    }

    /// Returns the last result of each witness.
    pub(super) fn witnesses(&self) -> Witnesses {
        self.witnesses.lock().clone()
    }

    /// Records the name of the account's user.
    pub(super) fn set_user(&self, name: &Arc<str>) {
        *self.user.lock() = Some(Arc::clone(name));
    }

    pub(super) fn user(&self) -> Option<Arc<str>> {
        self.user.lock().clone()
    }

    /// Sets the channels whose next event the sink did not accept.
    pub(super) fn set_waiting_channels(&self, waiting: Option<WaitingChannels>) {
        *self.waiting_channels.lock() = waiting;
    }

    pub(super) fn waiting_channels(&self) -> Option<WaitingChannels> {
        self.waiting_channels.lock().clone()
    }

    pub(super) fn set_state(&self, state: AccountState) {
        self.state.send_modify(|now| now.0 = state);
    }

    /// Allows replies to received events to be sent although the account stops.
    pub(super) fn begin_drain(&self) {
        self.state.send_modify(|now| now.1 = true);
    }

    pub(super) fn state(&self) -> AccountState {
        self.state.borrow().0
    }

    /// Waits until replies of the account are either permitted or denied.
    pub(super) async fn wait_for_send_permission(&self) -> SendPermission {
        let mut seen = self.state.subscribe();
        let decided = seen
            .wait_for(|(state, is_draining)| send_permission(*state, *is_draining) != SendPermission::Pending)
            .await;
        // An error is impossible: `self` holds the sender.
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

fn probe(took: Duration, cause: Option<&Excerpt>) -> Probe {
    Probe { at: SystemTime::now(), took, cause: cause.cloned() }
}

/// Returns a time as milliseconds since the Unix epoch.
pub(super) fn unix_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn from_unix_ms(ms: u64) -> Option<SystemTime> {
    (ms > 0).then(|| UNIX_EPOCH + Duration::from_millis(ms))
}
