//! The whole over real sockets: the actors, the client, and the simulated server.

use std::{cell::RefCell, collections::HashMap, sync::Arc, time::Duration};

use matterhost_actors::{
    actors::{HealthSettings, HostSettings, RestartAccount},
    mattermost::{ClientConfig, ClientLimits, Tls},
    model::{AccountState, CloseReason, Fact, PostId},
    policy::{PulseLimits, RestartSettings},
    ports::Mattermost,
};
use matterhost_simulator::{Account, Fault, FaultKind, Simulator, Timings};

use crate::stage::{Collector, Host, bots, name, with_restart};

/// A client's settings for the simulator.
pub(crate) fn config(simulator: &Simulator) -> ClientConfig {
    config_with(simulator, &ClientLimits::default())
}

fn config_with(simulator: &Simulator, limits: &ClientLimits) -> ClientConfig {
    let tls = simulator.ca_pem().map(|ca| Tls::load(Some(ca.as_bytes())).unwrap());
    let limits = ClientLimits { max_frame_bytes: 256 * 1024, ..limits.clone() };
    ClientConfig::new(simulator.url().parse().unwrap(), tls, limits, "matterhost/test")
}

/// Everything hurries, so that a test takes moments.
pub(crate) fn hurried() -> HostSettings {
    let restart = RestartSettings {
        max_restarts: 50,
        min_backoff: Duration::from_millis(20),
        max_backoff: Duration::from_millis(100),
        reset_after: Duration::from_millis(200),
        ..RestartSettings::default()
    };
    let pulse = PulseLimits { interval: Duration::from_millis(200), timeout: Duration::from_millis(300) };
    let health =
        HealthSettings { poll_interval: Duration::from_millis(300), pulse, ..HealthSettings::default() };
    HostSettings { health, hello_timeout: Duration::from_millis(500), arbiters: 2, ..with_restart(restart) }
}

/// A simulator with channels, people who talk in them, and bots that a host listens for.
pub(crate) struct Scene {
    pub(crate) simulator: Simulator,
    pub(crate) host: Host,
    team: String,
    pub(crate) channel: String,
    pub(crate) channels: RefCell<Vec<String>>,
    pub(crate) person: Account,
    pub(crate) bots: Vec<Account>,
    /// What each bot hears, besides what they all hear together.
    pub(crate) ears: HashMap<String, Arc<Collector>>,
}

impl Scene {
    pub(crate) async fn of(simulator: Simulator, names: &[String]) -> Self {
        Self::with(simulator, hurried(), names).await
    }

    pub(crate) async fn with(simulator: Simulator, settings: HostSettings, names: &[String]) -> Self {
        Self::limited(simulator, settings, ClientLimits::default(), names).await
    }

    pub(crate) async fn limited(
        simulator: Simulator,
        settings: HostSettings,
        limits: ClientLimits,
        names: &[String],
    ) -> Self {
        let team = simulator.create_team("team");
        let channel = simulator.create_channel(&team, "town");
        let person = simulator.create_user("person");
        let host = Host::live(settings, Arc::new(Mattermost::new(config_with(&simulator, &limits))));
        let channels = RefCell::new(vec![channel.clone()]);
        let mut scene =
            Self { simulator, host, team, channel, channels, person, bots: Vec::new(), ears: HashMap::new() };
        for name in names {
            let bot = scene.simulator.create_bot(name);
            scene.simulator.add_to_team(&scene.team, &bot.user_id);
            scene.simulator.add_to_channel_quietly(&scene.channel, &bot.user_id);
            let ears = if names.len() == 1 { scene.host.sink.clone() } else { Arc::new(Collector::live()) };
            scene.host.add(name, &bot.token, ears.clone()).await.unwrap();
            scene.ears.insert(name.clone(), ears);
            scene.bots.push(bot);
        }
        scene.host.until_all_ready(names).await;
        scene
    }

    pub(crate) async fn with_one_bot() -> Self {
        Self::of(quick_simulator(), &["bot".into()]).await
    }

    /// Posts, and waits until every bot has heard so many posts.
    pub(crate) async fn hears(&self, posts: usize) {
        self.post("hello");
        for ears in self.ears.values() {
            ears.until_posts(posts).await;
        }
    }

    /// Another channel, with all bots in it.
    pub(crate) fn another_channel(&self, name: &str) -> String {
        let channel = self.simulator.create_channel(&self.team, name);
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

pub(crate) fn quick_simulator() -> Simulator {
    let timings = Timings { auth_drop: Duration::from_millis(100), ..Timings::default() };
    Simulator::builder().timings(timings).start().unwrap()
}

pub(crate) fn run(test: impl AsyncFnOnce()) {
    actix::System::new().block_on(async { test().await });
}

#[test]
fn a_post_reaches_the_sink() {
    run(async || Scene::with_one_bot().await.hears(1).await);
}

#[test]
fn a_disabled_and_enabled_bot_hears_again() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        let bot = scene.bots[0].user_id.clone();
        scene.simulator.disable(&bot);
        scene.host.until("bot", |fact| *fact == Fact::Blocked).await;
        scene.simulator.enable(&bot);
        scene.host.until_ready("bot").await;
        scene.hears(1).await;
        scene.simulator.cycle(&bot);
        let (reason, charged) = scene.host.until_closed("bot").await;
        assert!(
            matches!(reason, CloseReason::Stale { .. } | CloseReason::Deaf { .. }) && !charged,
            "{reason}"
        );
        scene.host.until_ready("bot").await;
        scene.hears(2).await;
    });
}

#[test]
fn a_token_disabled_and_enabled_is_deaf_without_drift_and_hears_again() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        scene.simulator.toggle_token(&scene.bots[0].token_id);
        assert!(matches!(scene.host.until_closed("bot").await.0, CloseReason::Deaf { .. }));
        scene.host.until_ready("bot").await;
        scene.hears(1).await;
    });
}

#[test]
fn a_bad_token_is_blocked_though_the_server_says_101() {
    run(async || {
        let simulator = quick_simulator();
        let mut host = Host::live(hurried(), Arc::new(Mattermost::new(config(&simulator))));
        host.add("bot", "nobodys-token", host.sink.clone()).await.unwrap();
        host.until("bot", |fact| *fact == Fact::Blocked).await;
    });
}

#[test]
fn every_fault_of_the_network_passes_and_the_bot_hears_again() {
    let once = |kind| Fault::new(kind).times(1);
    let faults = [
        once(FaultKind::Reset),
        once(FaultKind::Drop),
        once(FaultKind::GarbageFrame),
        once(FaultKind::GarbageText),
        once(FaultKind::HugeFrame(300 * 1024)),
        once(FaultKind::AnnouncedFrame(400 << 20)),
        once(FaultKind::Fragments(7)),
        once(FaultKind::Close(1001)),
        once(FaultKind::ServerPing),
        Fault::new(FaultKind::Silence).lasting(Duration::from_millis(700)),
        Fault::new(FaultKind::Slow(Duration::from_millis(50))).lasting(Duration::from_millis(300)),
    ];
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        for fault in faults {
            let kind = format!("{fault:?}");
            scene.simulator.inject(fault);
            // Whatever it does, at its end stands a Connection that is ready and whose ping is answered.
            scene.host.until("bot", |fact| matches!(fact, Fact::ProbeGood { .. })).await;
            while scene.host.state("bot").await != AccountState::Ready {
                scene.host.until_ready("bot").await;
            }
            assert_eq!(scene.host.count("bot", "tripped"), 0, "{kind}");
            scene.simulator.clear_faults();
        }
        scene.hears(1).await;
    });
}

#[test]
fn every_fault_while_connecting_passes_and_the_bot_hears_again() {
    let faults = [
        FaultKind::Refuse,
        FaultKind::Unauthorized,
        FaultKind::TooManyRequests { retry_after: 1 },
        FaultKind::ServerError,
        FaultKind::Garbage,
        FaultKind::Html,
        FaultKind::Redirect("http://127.0.0.1:1/".into()),
        FaultKind::HelloWithheld,
        FaultKind::DropBeforeHello,
    ];
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        for fault in faults {
            let before = scene.host.seen.len();
            let id = scene.simulator.inject(Fault::new(fault));
            scene.host.ask(RestartAccount(name("bot"))).await.unwrap();
            scene.host.until_closed("bot").await;
            // The next one fails too, unless the gate has found out already that nobody answers.
            if !scene.host.seen[before..].iter().any(|seen| seen.fact == Fact::ServerDown) {
                let failed = |fact: &Fact| matches!(fact, Fact::Closed { .. } | Fact::ServerDown);
                scene.host.until_any(failed).await;
            }
            scene.simulator.clear(id);
            scene.host.ask(RestartAccount(name("bot"))).await.unwrap();
            scene.host.until_ready("bot").await;
        }
        scene.hears(1).await;
    });
}

#[test]
fn a_restart_of_the_server_brings_all_its_bots_back() {
    run(async || {
        let names = bots(50);
        let mut scene = Scene::of(quick_simulator(), &names).await;
        scene.simulator.stop_server();
        scene.host.until_server(|fact| *fact == Fact::ServerDown).await;
        scene.simulator.start_server().unwrap();
        scene.host.until_all_ready(&names).await;
        scene.hears(1).await;
        for name in &names {
            assert_eq!(scene.host.snapshot(name).await.restarts_in_window, 0, "{name}");
        }
    });
}

#[test]
fn the_same_over_tls_below_a_path_with_an_authority_of_ones_own() {
    run(async || {
        let simulator = Simulator::builder().tls(true).sub_path("/chat").start().unwrap();
        let mut scene = Scene::of(simulator, &["bot".into()]).await;
        scene.hears(1).await;
        scene.simulator.reset(&scene.bots[0].user_id);
        scene.host.until_ready("bot").await;
        scene.hears(2).await;
    });
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_misconfigured() {
    run(async || {
        let simulator = Simulator::builder().tls(true).start().unwrap();
        let bot = simulator.create_bot("bot");
        let tls = Tls::load(None).unwrap();
        let config = ClientConfig::new(
            simulator.url().parse().unwrap(),
            Some(tls),
            ClientLimits::default(),
            "matterhost/test",
        );
        let mut host = Host::live(hurried(), Arc::new(Mattermost::new(config)));
        host.add("bot", &bot.token, host.sink.clone()).await.unwrap();
        host.until("bot", |fact| *fact == Fact::Misconfigured).await;
    });
}
