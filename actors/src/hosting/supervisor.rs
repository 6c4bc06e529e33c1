//! The Supervisor: the only owner of restarts, budgets and delays.
//!
//! `actix::Supervisor` is not used because it restarts at once, without limit, and not after a panic.

mod account;
mod arbiter_pool;
mod child_events;
mod commands;
mod draining;
mod endings;
mod messages;
mod queries;
mod reconfigure;
mod removing;
mod replies;
mod shutdown;
mod starting;
mod timers;
mod waking;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use actix::{Actor, Context};

pub use messages::{
    AccountSpec, AddAccount, AddServer, AuditAccount, CountStates, GetAccount, HeardElsewhere, ListAccounts,
    ListServers, RemoveAccount, RemoveServer, ResetAccount, RestartAccount, RetryDeliveries, ServerSpec,
    Shutdown, ShutdownReport, StartAccount, StopAccount, SupervisorError,
};
pub use reconfigure::{ChangeAccount, ChangeServer, ChangeSettings, SinkReleased};
pub use replies::{LookUp, OpenFile, ReadLimits, SendReply};

pub(super) use child_events::{
    ChildConnected, ChildReady, ChildSettled, ChildStopped, DeliveryStopped, ServerStatusChanged,
    SiblingSawChange, StallChanged,
};

use self::{account::Account, arbiter_pool::ArbiterPool, shutdown::ShuttingDown, timers::Timers};
use super::{
    account_context::PingRate, known_names::Directory, observer::Observer, replies::SharedLoopGuard,
    server_gate::GateHandle, server_limits::SharedServerLimits, settings::HostSettings,
    shared_sibling_watch::SharedSiblingWatch,
};
use crate::{
    model::{AccountName, ServerName},
    policy::{CommonCause, SocketLifetimes},
    ports::{AccountFence, CursorStore, WitnessRelay},
};

/// Messages that the mailbox of the Supervisor or a gate holds before callers of `send` have to wait. Actors use
/// `do_send`, which ignores it; their messages are bounded by the number of accounts, each of which has a handful at most.
pub(super) const MAILBOX_CAPACITY: usize = 1_024;

/// The actor that hosts accounts: it starts, stops and restarts their Connections.
pub struct Supervisor {
    settings: Arc<HostSettings>,
    observer: Observer,
    pool: ArbiterPool,
    servers: HashMap<ServerName, Server>,
    accounts: BTreeMap<AccountName, Account>,
    timers: Timers,
    store: Option<Arc<dyn CursorStore>>,
    fence: Option<Arc<dyn AccountFence>>,
    witness_relay: Option<Arc<dyn WitnessRelay>>,
    shutting_down: Option<ShuttingDown>,
}

/// A server and the state that its accounts share.
struct Server {
    spec: ServerSpec,
    gate: GateHandle,
    sibling_watch: SharedSiblingWatch,
    ping_rate: PingRate,
    loop_guard: SharedLoopGuard,
    directory: Directory,
    limits: SharedServerLimits,
    common_cause: CommonCause<AccountName>,
    lifetimes: SocketLifetimes<AccountName>,
    /// The time at which its waiting accounts were last started.
    woken_at: Option<Instant>,
    /// The number of accounts on it.
    accounts: usize,
}

impl Supervisor {
    /// Returns a Supervisor without accounts; start it with [`Actor::start`].
    pub fn new(settings: HostSettings) -> Self {
        Self {
            pool: ArbiterPool::new(settings.arbiters, settings.accounts_per_arbiter),
            settings: Arc::new(settings),
            observer: Observer::default(),
            servers: HashMap::new(),
            accounts: BTreeMap::new(),
            timers: Timers::default(),
            store: None,
            fence: None,
            witness_relay: None,
            shutting_down: None,
        }
    }

    /// Stores the progress of accounts, so that the next process continues where this one ended. Without a store, each
    /// process starts from the present.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn CursorStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Lets accounts act only while the fence is open for them.
    #[must_use]
    pub fn with_fence(mut self, fence: Arc<dyn AccountFence>) -> Self {
        self.fence = Some(fence);
        self
    }

    /// Tells other hosts what accounts hear here about users that are not hosted here.
    #[must_use]
    pub fn with_witness_relay(mut self, relay: Arc<dyn WitnessRelay>) -> Self {
        self.witness_relay = Some(relay);
        self
    }

    /// Publishes observations to an observer that may have receivers already.
    #[must_use]
    pub fn with_observer(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// Returns the observer. Subscribe before the Supervisor is started to miss nothing.
    pub fn observer(&self) -> Observer {
        self.observer.clone()
    }
}

impl Server {
    fn account_added(&mut self) {
        self.accounts += 1;
        self.gate.set_account_count(self.accounts);
    }

    fn account_removed(&mut self, account: &AccountName) {
        self.accounts = self.accounts.saturating_sub(1);
        self.gate.set_account_count(self.accounts);
        self.sibling_watch.forget(account);
        self.common_cause.ended(account);
        self.lifetimes.forget(account);
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
    }
}
