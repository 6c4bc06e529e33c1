//! Leak test: no actor, task or timer holds a removed account or server.

use std::sync::{Arc, Weak};

use matterhost_actors::{
    hosting::{
        AddAccount, AddServer, AuditAccount, ChangeAccount, RemoveAccount, RemoveServer, RestartAccount,
        StopAccount,
    },
    ports::{ApiFactory, EventSink},
};

use super::{server, server_spec, spec};
use crate::harness::{
    CollectingSink, Harness, SECOND, SinkBehavior, name, run_paused, settings, unlimited_rate,
};

const BOTS: [&str; 3] = ["a", "b", "c"];
const ROUNDS: usize = 100;

/// Weak references to everything that the Supervisor was given. Every actor of an account holds its server's API
/// factory; its Delivery and the deliveries in flight hold the sink.
#[derive(Default)]
struct GivenObjects {
    apis: Vec<Weak<dyn ApiFactory>>,
    sinks: Vec<Weak<dyn EventSink>>,
}

impl GivenObjects {
    fn api(&mut self, harness: &Harness) -> Arc<dyn ApiFactory> {
        let api: Arc<dyn ApiFactory> = Arc::new(harness.fake.clone());
        self.apis.push(Arc::downgrade(&api));
        api
    }

    fn sink(&mut self, random: &mut fastrand::Rng) -> Arc<dyn EventSink> {
        let sink = CollectingSink::default();
        match random.u8(..4) {
            0 => sink.set_behavior(SinkBehavior::Delayed(SECOND)),
            1 => sink.set_behavior(SinkBehavior::Retry),
            _ => {}
        }
        let sink: Arc<dyn EventSink> = Arc::new(sink);
        self.sinks.push(Arc::downgrade(&sink));
        sink
    }

    /// Returns how many API factories and sinks are still held.
    fn count_held(&self) -> (usize, usize) {
        let apis = self.apis.iter().filter(|api| api.strong_count() > 0).count();
        (apis, self.sinks.iter().filter(|sink| sink.strong_count() > 0).count())
    }
}

/// Does something random to one of the bots.
async fn disturb(harness: &mut Harness, given: &mut GivenObjects, random: &mut fastrand::Rng) {
    let bot = BOTS[random.usize(..BOTS.len())];
    match random.u8(..7) {
        0 => harness.fake.touch(bot),
        1 => harness.fake.server_socket(bot).drop_connection(),
        2 => harness.send(RestartAccount(name(bot))).await.unwrap(),
        3 => harness.send(StopAccount(name(bot))).await.unwrap(),
        // Refused if the bot is not ready.
        4 => drop(harness.send(AuditAccount(name(bot))).await),
        5 => drop(harness.send(ChangeAccount(spec(bot, bot, "other", given.sink(random)))).await.unwrap()),
        _ => harness.fake.server_socket(bot).post("c", &format!("p{}", random.u64(..))),
    }
    harness.advance(SECOND * random.u32(..4) / 2).await;
}

#[test]
fn a_hundred_removed_servers_with_accounts_leave_nothing_behind() {
    let seed = std::env::var("MATTERHOST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}; set MATTERHOST_SEED to repeat this run");
    run_paused(settings(), unlimited_rate(), async |harness| {
        let (mut given, mut random) = (GivenObjects::default(), fastrand::Rng::with_seed(seed));
        for bot in BOTS {
            harness.fake.add_user(bot);
        }
        for _ in 0..ROUNDS {
            let api = given.api(harness);
            harness.send(AddServer(server_spec("other", api, unlimited_rate()))).await;
            for bot in BOTS {
                let account = spec(bot, bot, "other", given.sink(&mut random));
                harness.send(AddAccount(account)).await.unwrap();
            }
            harness.advance(SECOND / 2).await;
            for _ in 0..random.usize(..6) {
                disturb(harness, &mut given, &mut random).await;
            }
            for bot in BOTS {
                harness.send(RemoveAccount(name(bot))).await.unwrap();
            }
            harness.send(RemoveServer(server("other"))).await.unwrap();
        }
        // A pending timer holds its actor until it fires.
        harness.advance(600 * SECOND).await;
        assert_eq!(
            given.count_held(),
            (0, 0),
            "held, of {} servers and {} sinks",
            given.apis.len(),
            given.sinks.len()
        );
    });
}
