//! What is gone is gone: no actor, task or timer holds on to it.

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

/// What was handed to the Supervisor. Every actor of an account holds its server's way to speak; its Delivery, and what
/// it has handed over, hold the sink.
#[derive(Default)]
struct Handed {
    apis: Vec<Weak<dyn ApiFactory>>,
    sinks: Vec<Weak<dyn EventSink>>,
}

impl Handed {
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

    /// How many of them somebody holds still.
    fn held(&self) -> (usize, usize) {
        let apis = self.apis.iter().filter(|api| api.strong_count() > 0).count();
        (apis, self.sinks.iter().filter(|sink| sink.strong_count() > 0).count())
    }
}

/// Something happens to one of the bots, whatever it is doing.
async fn happen(harness: &mut Harness, handed: &mut Handed, random: &mut fastrand::Rng) {
    let bot = BOTS[random.usize(..BOTS.len())];
    match random.u8(..7) {
        0 => harness.fake.touch(bot),
        1 => harness.fake.server_socket(bot).drop_connection(),
        2 => harness.send(RestartAccount(name(bot))).await.unwrap(),
        3 => harness.send(StopAccount(name(bot))).await.unwrap(),
        // Refused where it is not ready.
        4 => drop(harness.send(AuditAccount(name(bot))).await),
        5 => drop(harness.send(ChangeAccount(spec(bot, bot, "other", handed.sink(random)))).await.unwrap()),
        _ => harness.fake.server_socket(bot).post("c", &format!("p{}", random.u64(..))),
    }
    harness.advance(SECOND * random.u32(..4) / 2).await;
}

#[test]
fn after_a_hundred_servers_with_accounts_nothing_of_them_is_held() {
    let seed = std::env::var("MATTERHOST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}: give it as MATTERHOST_SEED to run it again");
    run_paused(settings(), unlimited_rate(), async |harness| {
        let (mut handed, mut random) = (Handed::default(), fastrand::Rng::with_seed(seed));
        for bot in BOTS {
            harness.fake.add_user(bot);
        }
        for _ in 0..ROUNDS {
            let api = handed.api(harness);
            harness.send(AddServer(server_spec("other", api, unlimited_rate()))).await;
            for bot in BOTS {
                let account = spec(bot, bot, "other", handed.sink(&mut random));
                harness.send(AddAccount(account)).await.unwrap();
            }
            harness.advance(SECOND / 2).await;
            for _ in 0..random.usize(..6) {
                happen(harness, &mut handed, &mut random).await;
            }
            for bot in BOTS {
                harness.send(RemoveAccount(name(bot))).await.unwrap();
            }
            harness.send(RemoveServer(server("other"))).await.unwrap();
        }
        // What waits for a time to come holds on until then.
        harness.advance(600 * SECOND).await;
        assert_eq!(
            handed.held(),
            (0, 0),
            "of {} servers and {} sinks",
            handed.apis.len(),
            handed.sinks.len()
        );
    });
}
