//! A test harness for the actors: a Supervisor in paused time, a fake server and a collecting sink.

mod api;
mod changes;
mod channels;
mod fake_server;
mod posts;
mod server_socket;
mod sink;
mod store;

use std::{
    collections::HashSet,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use actix::{Actor as _, Addr, Message, dev::ToEnvelope};
use futures_util::future::LocalBoxFuture;
use matterhost_actors::{
    hosting::{
        AccountSpec, AddAccount, AddServer, HealthSettings, HostSettings, ListAccounts, ServerSpec,
        Supervisor, SupervisorError,
    },
    model::{
        AccountName, AccountSnapshot, AccountState, CloseReason, Fact, Observation, ServerName, Subject,
        Token,
    },
    policy::{GateLimits, PingSettings, RestartPolicy, RestartSettings},
    ports::{AccountFence, ApiFactory, CursorStore, EventSink, WitnessRelay},
};
use tokio::sync::broadcast::{Receiver, error::RecvError};

pub(crate) use changes::Refused;
pub(crate) use fake_server::{FakeServer, UserReply};
pub(crate) use posts::{PostReply, posted_data, posted_event};
pub(crate) use server_socket::{PING, ServerSocket};
pub(crate) use sink::{CollectingSink, ReceivedChange, SinkBehavior};
pub(crate) use store::CrashStore;

/// The longest wait of a test, in virtual time.
const TIMEOUT: Duration = Duration::from_secs(4 * 3600);

/// The longest wait of a test in real time.
pub(crate) const REAL_TIMEOUT: Duration = Duration::from_secs(120);

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A fake server and a host that connects to it.
pub(crate) struct Harness {
    pub(crate) fake: FakeServer,
    pub(crate) host: TestHost,
    pub(crate) store: CrashStore,
}

/// A Supervisor, its observations, and a sink for its accounts.
pub(crate) struct TestHost {
    pub(crate) sink: Arc<CollectingSink>,
    pub(crate) supervisor: Addr<Supervisor>,
    observations: Receiver<Arc<Observation>>,
    timeout: Duration,
    /// All observations so far, in order.
    pub(crate) seen: Vec<Arc<Observation>>,
}

impl Deref for Harness {
    type Target = TestHost;

    fn deref(&self) -> &TestHost {
        &self.host
    }
}

impl DerefMut for Harness {
    fn deref_mut(&mut self) -> &mut TestHost {
        &mut self.host
    }
}

/// Returns settings without jitter, with all actors on one thread and a ping every 30 s.
pub(crate) fn settings() -> HostSettings {
    with_restart(RestartSettings::default())
}

pub(crate) fn with_restart(restart: RestartSettings) -> HostSettings {
    let restart = RestartPolicy::new(RestartSettings { random_factor: 0.0, ..restart }).unwrap();
    // Hours of virtual time with a ping per second would fill the observer's backlog.
    let ping_limits = PingSettings { per_second: 0.01, ..PingSettings::default() };
    let health = HealthSettings { ping_limits, ..HealthSettings::default() };
    HostSettings { restart, health, arbiters: 0, ..HostSettings::default() }
}

pub(crate) fn name(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

/// Returns this many account names.
pub(crate) fn bots(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("bot-{n}")).collect()
}

/// Runs a test in paused time.
pub(crate) fn run_paused(settings: HostSettings, limits: GateLimits, test: impl AsyncFnOnce(&mut Harness)) {
    run_paused_on(|| Harness::new(settings, limits), test);
}

/// Runs a test in paused time on a member of a cluster that hosts all accounts.
pub(crate) fn run_paused_in_cluster(settings: HostSettings, test: impl AsyncFnOnce(&mut Harness)) {
    run_paused_on(
        || Harness::of(Supervisor::new(settings).with_fence(Arc::new(OpenFence)), unlimited_rate()),
        test,
    );
}

/// Runs a test in paused time on a host that tells others what its accounts hear.
pub(crate) fn run_paused_with_relay(
    settings: HostSettings,
    relay: Arc<dyn WitnessRelay>,
    test: impl AsyncFnOnce(&mut Harness),
) {
    run_paused_on(
        || Harness::of(Supervisor::new(settings).with_witness_relay(relay), unlimited_rate()),
        test,
    );
}

/// The fence of a member that owns all shards.
struct OpenFence;

impl AccountFence for OpenFence {
    fn is_open(&self, _: &AccountName) -> bool {
        true
    }
}

fn paused_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

fn run_paused_on(start: impl FnOnce() -> Harness, test: impl AsyncFnOnce(&mut Harness)) {
    // This and what follows have no type of the test, so that the runtime is compiled once and not for each.
    let system = actix::System::with_tokio_rt(paused_runtime);
    let test: LocalBoxFuture<'_, ()> = Box::pin(async {
        let mut harness = start();
        test(&mut harness).await;
    });
    system.block_on(test);
}

/// Returns limits that no test reaches.
pub(crate) fn unlimited_rate() -> GateLimits {
    GateLimits { requests_per_second: 1e6, dial_slots: 1_000, sharers: 1 }
}

impl Harness {
    pub(crate) fn new(settings: HostSettings, limits: GateLimits) -> Self {
        Self::of(Supervisor::new(settings), limits)
    }

    fn of(supervisor: Supervisor, limits: GateLimits) -> Self {
        let (fake, store) = (FakeServer::default(), CrashStore::default());
        let supervisor = supervisor.with_store(Arc::new(store.clone()));
        let host = TestHost::of(supervisor, limits, Arc::new(fake.clone()));
        Self { fake, host, store }
    }

    /// Creates a harness in real time, for threads that hang or die.
    pub(crate) fn real_time(settings: HostSettings) -> Self {
        let fake = FakeServer::default();
        let host = TestHost::real_time(settings, Arc::new(fake.clone()));
        Self { fake, host, store: CrashStore::default() }
    }

    /// Hosts a new user of the server under its own name.
    pub(crate) async fn host(&mut self, account: &str) {
        self.host_with(account, self.sink.clone()).await.unwrap();
    }

    pub(crate) async fn host_with(
        &mut self,
        account: &str,
        sink: Arc<dyn EventSink>,
    ) -> Result<(), SupervisorError> {
        self.fake.add_user(account);
        self.host.add(account, account, sink).await
    }

    /// Hosts a user and waits until it is ready.
    pub(crate) async fn ready(&mut self, account: &str) {
        self.host(account).await;
        self.wait_until_ready(account).await;
    }
}

impl TestHost {
    fn of(supervisor: Supervisor, limits: GateLimits, api: Arc<dyn ApiFactory>) -> Self {
        let observations = supervisor.observer().subscribe();
        let supervisor = supervisor.start();
        supervisor.do_send(AddServer(ServerSpec { name: server(), api, limits }));
        Self { sink: Arc::default(), supervisor, observations, timeout: TIMEOUT, seen: Vec::new() }
    }

    /// Creates a host in real time.
    pub(crate) fn real_time(settings: HostSettings, api: Arc<dyn ApiFactory>) -> Self {
        Self::real_time_with(Supervisor::new(settings), api)
    }

    /// Creates a host in real time, with a store.
    pub(crate) fn with_store(
        settings: HostSettings,
        api: Arc<dyn ApiFactory>,
        store: Arc<dyn CursorStore>,
    ) -> Self {
        Self::real_time_with(Supervisor::new(settings).with_store(store), api)
    }

    fn real_time_with(supervisor: Supervisor, api: Arc<dyn ApiFactory>) -> Self {
        let sink = Arc::new(CollectingSink::real_time());
        Self { timeout: REAL_TIMEOUT, sink, ..Self::of(supervisor, unlimited_rate(), api) }
    }

    pub(crate) async fn add(
        &self,
        account: &str,
        token: &str,
        sink: Arc<dyn EventSink>,
    ) -> Result<(), SupervisorError> {
        let token = Token::new(token).unwrap();
        let spec = AccountSpec { name: name(account), server: server(), token, sink, settings: None };
        self.send(AddAccount(spec)).await
    }

    pub(crate) async fn send<M>(&self, message: M) -> M::Result
    where
        M: Message<Result: Send> + Send + 'static,
        Supervisor: actix::Handler<M>,
        <Supervisor as actix::Actor>::Context: ToEnvelope<Supervisor, M>,
    {
        self.supervisor.send(message).await.unwrap()
    }

    pub(crate) async fn snapshot(&self, account: &str) -> AccountSnapshot {
        let list = self.send(ListAccounts).await;
        list.into_iter().find(|snapshot| snapshot.account.as_str() == account).unwrap()
    }

    pub(crate) async fn state(&self, account: &str) -> AccountState {
        self.snapshot(account).await.state
    }

    /// Waits for a fact about an account.
    pub(crate) async fn wait_for(&mut self, account: &str, wanted: impl Fn(&Fact) -> bool) -> Fact {
        let account = name(account);
        self.find(|seen| {
            matches!(&seen.subject, Subject::Account(who, _) if *who == account) && wanted(&seen.fact)
        })
        .await
    }

    pub(crate) async fn wait_until_ready(&mut self, account: &str) {
        self.wait_for(account, |fact| matches!(fact, Fact::Ready { .. })).await;
    }

    /// Waits until each of the accounts has become ready, in any order.
    pub(crate) async fn wait_until_all_ready(&mut self, accounts: &[String]) {
        let mut missing: HashSet<AccountName> = accounts.iter().map(|account| name(account)).collect();
        let waiting = missing.len();
        let missing = std::cell::RefCell::new(&mut missing);
        for _ in 0..waiting {
            self.find(|seen| match &seen.subject {
                Subject::Account(who, _) if matches!(seen.fact, Fact::Ready { .. }) => {
                    missing.borrow_mut().remove(who)
                }
                _ => false,
            })
            .await;
        }
    }

    /// Waits until a Connection of the account has ended.
    pub(crate) async fn wait_until_closed(&mut self, account: &str) -> (CloseReason, bool) {
        match self.wait_for(account, |fact| matches!(fact, Fact::Closed { .. })).await {
            Fact::Closed { reason, charged, .. } => (reason, charged),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the next Connection is scheduled.
    pub(crate) async fn wait_until_scheduled(&mut self, account: &str) -> (Duration, bool) {
        match self.wait_for(account, |fact| matches!(fact, Fact::RestartScheduled { .. })).await {
            Fact::RestartScheduled { after, resume } => (after, resume),
            other => panic!("{other:?}"),
        }
    }

    /// Waits for a fact about the server.
    pub(crate) async fn wait_for_server_fact(&mut self, wanted: impl Fn(&Fact) -> bool) -> Fact {
        self.find(|seen| matches!(seen.subject, Subject::Server(_)) && wanted(&seen.fact)).await
    }

    /// Waits for a fact about any subject.
    pub(crate) async fn wait_for_any_fact(&mut self, wanted: impl Fn(&Fact) -> bool) -> Fact {
        self.find(|seen| wanted(&seen.fact)).await
    }

    /// Passes over what was observed until now: an earlier fact does not answer a later wait.
    pub(crate) fn pass_observations(&mut self) {
        while let Ok(seen) = self.observations.try_recv() {
            self.seen.push(seen);
        }
    }

    async fn find(&mut self, wanted: impl Fn(&Observation) -> bool) -> Fact {
        let found = tokio::time::timeout(self.timeout, async {
            loop {
                match self.observations.recv().await {
                    Ok(seen) => {
                        self.seen.push(seen.clone());
                        if wanted(&seen) {
                            return seen.fact.clone();
                        }
                    }
                    Err(RecvError::Lagged(missed)) => panic!("missed {missed} observations"),
                    Err(RecvError::Closed) => panic!("the Supervisor has stopped"),
                }
            }
        })
        .await;
        found.unwrap_or_else(|_| panic!("the fact was not observed in time; seen: {:#?}", self.seen))
    }

    /// Advances virtual time, and collects the observations made meanwhile.
    pub(crate) async fn advance(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
        while let Ok(seen) = self.observations.try_recv() {
            self.seen.push(seen);
        }
    }

    /// Advances virtual time by a long span, and discards the observations so that they do not pile up.
    pub(crate) async fn advance_discarding(&mut self, time: Duration) {
        for _ in 0..time.as_secs() {
            tokio::time::sleep(SECOND).await;
            while self.observations.try_recv().is_ok() {}
        }
    }

    /// Returns the number of observed facts with this label about an account.
    pub(crate) fn count(&self, account: &str, label: &str) -> usize {
        let about = |seen: &&Arc<Observation>| {
            matches!(&seen.subject, Subject::Account(who, _) if who.as_str() == account)
                && seen.fact.label() == label
        };
        self.seen.iter().filter(about).count()
    }
}

pub(crate) fn server() -> ServerName {
    ServerName::new("test").unwrap()
}
