//! A test harness over real sockets: a simulated server with people and bots, and a host for the bots.

use std::{cell::RefCell, collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::LocalBoxFuture;
use matterhost_actors::{
    hosting::{HealthSettings, HostSettings, Shutdown},
    mattermost::{ClientConfig, ClientLimits, Tls},
    model::{Fact, PostId},
    policy::{PingSettings, RestartSettings},
    ports::HttpApi,
};
use matterhost_simulator::{Account, ServerVersion, Simulator, SimulatorBuilder, Timings};

use crate::harness::{
    CollectingSink, CrashStore, REAL_TIMEOUT, ReceivedChange, SinkBehavior, TestHost, name, with_restart,
};

/// Returns a client's settings for the simulator.
pub(crate) fn config(simulator: &Simulator) -> ClientConfig {
    config_with(simulator, &ClientLimits::default())
}

pub(crate) fn config_with(simulator: &Simulator, limits: &ClientLimits) -> ClientConfig {
    let tls = simulator.ca_pem().map(|ca| Tls::load(Some(ca.as_bytes())).unwrap());
    let limits = ClientLimits { max_frame_bytes: 256 * 1024, ..limits.clone() };
    ClientConfig::new(simulator.url().parse().unwrap(), tls, limits, "matterhost/test")
}

/// Returns settings with short intervals, so that tests are fast.
pub(crate) fn fast_settings() -> HostSettings {
    let restart = RestartSettings {
        max_restarts: 50,
        min_backoff: Duration::from_millis(20),
        max_backoff: Duration::from_millis(100),
        reset_after: Duration::from_millis(200),
        ..RestartSettings::default()
    };
    let ping_limits = PingSettings {
        interval: Duration::from_millis(200),
        timeout: Duration::from_millis(300),
        ..PingSettings::default()
    };
    let health = HealthSettings {
        poll_interval: Duration::from_millis(300),
        ping_limits,
        ..HealthSettings::default()
    };
    HostSettings { health, hello_timeout: Duration::from_millis(500), arbiters: 2, ..with_restart(restart) }
}

/// Returns fast settings for repeated faults: the budget never trips, and restarts are almost immediate.
pub(crate) fn fault_tolerant_settings() -> HostSettings {
    let ms = Duration::from_millis(1);
    let restart = with_restart(RestartSettings {
        max_restarts: 1_000,
        min_backoff: 10 * ms,
        max_backoff: 50 * ms,
        reset_after: ms,
        ..RestartSettings::default()
    })
    .restart;
    HostSettings { restart, ..fast_settings() }
}

/// A simulator with channels, people and bots, and a host for the bots.
pub(crate) struct SimulatorHarness {
    pub(crate) simulator: Simulator,
    pub(crate) host: TestHost,
    pub(crate) store: CrashStore,
    settings: HostSettings,
    /// The client's settings for the server.
    server: ClientConfig,
    pub(crate) team: String,
    pub(crate) channel: String,
    pub(crate) channels: RefCell<Vec<String>>,
    pub(crate) person: Account,
    pub(crate) bots: Vec<Account>,
    /// The sink of each bot.
    pub(crate) sinks: HashMap<String, Arc<CollectingSink>>,
    /// The behavior of the next host's sinks.
    pub(crate) behavior: SinkBehavior,
}

impl SimulatorHarness {
    pub(crate) async fn new(simulator: Simulator, names: &[String]) -> Self {
        Self::with_settings(simulator, fast_settings(), names).await
    }

    pub(crate) async fn with_settings(
        simulator: Simulator,
        settings: HostSettings,
        names: &[String],
    ) -> Self {
        Self::with_limits(simulator, settings, ClientLimits::default(), names).await
    }

    pub(crate) async fn with_limits(
        simulator: Simulator,
        settings: HostSettings,
        limits: ClientLimits,
        names: &[String],
    ) -> Self {
        let server = config_with(&simulator, &limits);
        Self::with_server(simulator, settings, server, names).await
    }

    pub(crate) async fn with_server(
        simulator: Simulator,
        settings: HostSettings,
        server: ClientConfig,
        names: &[String],
    ) -> Self {
        let team = simulator.create_team("team");
        let channel = simulator.create_channel(&team, "town");
        let person = simulator.create_user("person");
        let store = CrashStore::default();
        let host = host(&server, &settings, &store);
        let channels = RefCell::new(vec![channel.clone()]);
        let (bots, sinks, behavior) = (Vec::new(), HashMap::new(), SinkBehavior::Immediate);
        let mut harness = Self {
            simulator,
            host,
            store,
            settings,
            server,
            team,
            channel,
            channels,
            person,
            bots,
            sinks,
            behavior,
        };
        for name in names {
            harness.create_bot(name);
        }
        harness.host_bots().await;
        harness
    }

    fn create_bot(&mut self, name: &str) {
        let bot = self.simulator.create_bot(name);
        self.simulator.add_to_team(&self.team, &bot.user_id);
        self.simulator.add_to_channel_quietly(&self.channel, &bot.user_id);
        self.bots.push(bot);
    }

    /// Adds a bot to the server and to the host.
    pub(crate) async fn add_bot(&mut self, name: &str) {
        self.create_bot(name);
        self.host_bots().await;
    }

    /// Hosts every bot with a new sink, and waits until all are ready.
    async fn host_bots(&mut self) {
        self.add_bots().await;
        let names: Vec<String> = self.bots.iter().map(|bot| bot.username.clone()).collect();
        self.host.wait_until_all_ready(&names).await;
    }

    async fn add_bots(&mut self) {
        for bot in &self.bots {
            let sink = if self.bots.len() == 1 {
                self.host.sink.clone()
            } else {
                Arc::new(CollectingSink::real_time())
            };
            sink.set_behavior(self.behavior);
            self.host.add(&bot.username, &bot.token, sink.clone()).await.unwrap();
            self.sinks.insert(bot.username.clone(), sink);
        }
    }

    /// Shuts the host down gracefully, and returns the changes that each bot has received.
    pub(crate) async fn stop(&mut self) -> HashMap<String, Vec<ReceivedChange>> {
        let report = self.host.send(Shutdown { deadline: REAL_TIMEOUT }).await;
        assert_eq!(report.abandoned, []);
        self.received_changes()
    }

    /// Kills the host: it commits nothing more. Returns the changes that each bot has received until now.
    pub(crate) async fn kill(&mut self) -> HashMap<String, Vec<ReceivedChange>> {
        let after = self.store.crash();
        let received = self.received_changes();
        self.host.send(Shutdown { deadline: Duration::ZERO }).await;
        self.store = after;
        received
    }

    /// Starts another host with the store of the last one.
    pub(crate) async fn start(&mut self) {
        self.host = host(&self.server, &self.settings, &self.store);
        self.host_bots().await;
    }

    /// Starts another host without waiting until it is ready.
    pub(crate) async fn start_without_waiting(&mut self) {
        self.host = host(&self.server, &self.settings, &self.store);
        self.add_bots().await;
    }

    /// Waits until the first bot's acknowledgement of the post is stored.
    pub(crate) async fn wait_until_stored(&self, post: &PostId) {
        let deadline = tokio::time::Instant::now() + REAL_TIMEOUT;
        while !self.store.has(&name(&self.bots[0].username), post).await {
            assert!(tokio::time::Instant::now() < deadline, "the acknowledgement was not stored in time");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn received_changes(&self) -> HashMap<String, Vec<ReceivedChange>> {
        self.sinks.iter().map(|(name, sink)| (name.clone(), sink.received_changes())).collect()
    }

    pub(crate) async fn with_one_bot() -> Self {
        Self::new(quick_simulator(), &["bot".into()]).await
    }

    /// Runs `action` while the first bot is disabled.
    pub(crate) async fn while_disabled(&mut self, action: impl FnOnce(&Self)) {
        let Account { user_id, username, .. } = self.bots[0].clone();
        self.simulator.disable(&user_id);
        self.host.wait_for(&username, |fact| *fact == Fact::Blocked).await;
        action(self);
        self.simulator.enable(&user_id);
        self.host.wait_until_ready(&username).await;
    }

    /// Drops the first bot's socket, and waits until it is ready again.
    pub(crate) async fn drop_and_reconnect(&mut self) {
        self.host.pass_observations();
        self.simulator.drop_sockets(&self.bots[0].user_id);
        let username = self.bots[0].username.clone();
        self.host.wait_until_ready(&username).await;
    }

    /// Posts, and waits until every bot has received this many posts.
    pub(crate) async fn post_and_wait(&self, posts: usize) {
        self.post("hello");
        for sink in self.sinks.values() {
            sink.wait_for_posts(posts).await;
        }
    }

    /// Creates a channel with all bots in it.
    pub(crate) fn add_channel_with_bots(&self, name: &str) -> String {
        self.add_channel_of_team(&self.team, name)
    }

    /// Creates a channel of a team with all bots in it.
    pub(crate) fn add_channel_of_team(&self, team: &str, name: &str) -> String {
        let channel = self.simulator.create_channel(team, name);
        for bot in &self.bots {
            self.simulator.add_to_channel_quietly(&channel, &bot.user_id);
        }
        self.channels.borrow_mut().push(channel.clone());
        channel
    }

    pub(crate) fn post(&self, text: &str) -> PostId {
        self.post_in(&self.channel, text)
    }

    pub(crate) fn post_in(&self, channel: &str, text: &str) -> PostId {
        self.simulator.post(&self.person.user_id, channel, text).id.as_str().into()
    }
}

fn host(server: &ClientConfig, settings: &HostSettings, store: &CrashStore) -> TestHost {
    let api = Arc::new(HttpApi::new(server.clone()));
    TestHost::with_store(settings.clone(), api, Arc::new(store.clone()))
}

pub(crate) fn quick_simulator() -> Simulator {
    quick_simulator_of(ServerVersion::default())
}

pub(crate) fn quick_simulator_of(version: ServerVersion) -> Simulator {
    quick_builder(version).start().unwrap()
}

pub(crate) fn quick_builder(version: ServerVersion) -> SimulatorBuilder {
    let timings = Timings { auth_timeout: Duration::from_millis(100), ..Timings::default() };
    Simulator::builder().version(version).timings(timings)
}

/// Returns the seed in `MATTERHOST_SEED`, or random ones: so many, unless `MATTERHOST_SEEDS` sets another number.
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    let number = |variable| std::env::var(variable).ok().and_then(|number| number.parse().ok());
    number("MATTERHOST_SEED").map_or_else(
        || (0..number("MATTERHOST_SEEDS").unwrap_or(count)).map(|_| fastrand::u64(..)).collect(),
        |seed| vec![seed],
    )
}

/// Runs a test on an actix system. Its future is boxed, so that the runtime is compiled once and not for each test.
pub(crate) fn run(test: impl AsyncFnOnce()) {
    let test: LocalBoxFuture<'_, ()> = Box::pin(test());
    actix::System::new().block_on(test);
}
