//! The Supervisor: the only owner of restarts, budgets and delays.
//!
//! It is our own actor: `actix::Supervisor` restarts at once, without limit, and not after a panic.

mod account;
mod arbiter_pool;
mod child_events;
mod commands;
mod counts;
mod endings;
mod messages;
mod queries;
mod reconfigure;
mod removing;
mod replies;
mod shutdown;
mod starting;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use actix::{Actor, Context};

pub use counts::CountStates;
pub use messages::{
    AccountSpec, AddAccount, AddServer, AuditAccount, GetAccount, ListAccounts, ListServers, RemoveAccount,
    RemoveServer, ResetAccount, RestartAccount, ServerSpec, Shutdown, ShutdownReport, StartAccount,
    StopAccount, SupervisorError,
};
pub use reconfigure::{ChangeAccount, ChangeServer, ChangeSettings, SinkReleased};

pub use replies::SendReply;

pub(super) use child_events::{
    ChildConnected, ChildReady, ChildSettled, ChildStopped, DeliveryStopped, ServerStatusChanged,
    SiblingSawChange, StallChanged,
};

use self::{account::Account, arbiter_pool::ArbiterPool, shutdown::ShuttingDown};
use super::{
    context::SharedSiblingWatch, observer::Observer, replies::SharedLoopGuard, server_gate::GateHandle,
    settings::HostSettings,
};
use crate::{
    model::{AccountName, ServerName},
    policy::CommonCause,
    ports::CursorStore,
};

/// Messages that may wait for the Supervisor or a gate before senders that ask (`send`) have to wait too. What
/// actors tell each other is bounded by their number: each account has a handful on its way at most.
pub(super) const MAILBOX_CAPACITY: usize = 1_024;

/// Hosts accounts: starts, stops, restarts and remembers.
pub struct Supervisor {
    settings: Arc<HostSettings>,
    observer: Observer,
    pool: ArbiterPool,
    servers: HashMap<ServerName, Server>,
    accounts: BTreeMap<AccountName, Account>,
    store: Option<Arc<dyn CursorStore>>,
    shutting_down: Option<ShuttingDown>,
}

/// What the Supervisor keeps of a server.
struct Server {
    spec: ServerSpec,
    gate: GateHandle,
    sibling_watch: SharedSiblingWatch,
    loop_guard: SharedLoopGuard,
    common_cause: CommonCause<AccountName>,
    /// Accounts that are on it.
    accounts: usize,
}

impl Supervisor {
    /// A Supervisor without accounts; start it with [`Actor::start`].
    pub fn new(settings: HostSettings) -> Self {
        Self {
            pool: ArbiterPool::new(settings.arbiters),
            settings: Arc::new(settings),
            observer: Observer::default(),
            servers: HashMap::new(),
            accounts: BTreeMap::new(),
            store: None,
            shutting_down: None,
        }
    }

    /// Keeps what accounts have acknowledged in a store, so that the next process goes on where this one ended. Without
    /// one an account begins at now each time.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn CursorStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Tells what happens to those who listen to an observer already.
    #[must_use]
    pub fn with_observer(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// The stream of what happens. Subscribe before the Supervisor is started to miss nothing.
    pub fn observer(&self) -> Observer {
        self.observer.clone()
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
    }
}
