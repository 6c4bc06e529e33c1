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
use crate::stage::{Collector, Manner, SECOND, Stage, name, play, settings, wide_open};

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
    fn api(&mut self, stage: &Stage) -> Arc<dyn ApiFactory> {
        let api: Arc<dyn ApiFactory> = Arc::new(stage.world.clone());
        self.apis.push(Arc::downgrade(&api));
        api
    }

    fn sink(&mut self, random: &mut fastrand::Rng) -> Arc<dyn EventSink> {
        let sink = Collector::default();
        match random.u8(..4) {
            0 => sink.behave(Manner::After(SECOND)),
            1 => sink.behave(Manner::Retry),
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
async fn happen(stage: &mut Stage, handed: &mut Handed, random: &mut fastrand::Rng) {
    let bot = BOTS[random.usize(..BOTS.len())];
    match random.u8(..7) {
        0 => stage.world.touch(bot),
        1 => stage.world.peer(bot).cut(),
        2 => stage.ask(RestartAccount(name(bot))).await.unwrap(),
        3 => stage.ask(StopAccount(name(bot))).await.unwrap(),
        // Refused where it is not ready.
        4 => drop(stage.ask(AuditAccount(name(bot))).await),
        5 => drop(stage.ask(ChangeAccount(spec(bot, bot, "other", handed.sink(random)))).await.unwrap()),
        _ => stage.world.peer(bot).post("c", &format!("p{}", random.u64(..))),
    }
    stage.pass(SECOND * random.u32(..4) / 2).await;
}

#[test]
fn after_a_hundred_servers_with_accounts_nothing_of_them_is_held() {
    let seed = std::env::var("MATTERHOST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}: give it as MATTERHOST_SEED to run it again");
    play(settings(), wide_open(), async |stage| {
        let (mut handed, mut random) = (Handed::default(), fastrand::Rng::with_seed(seed));
        for bot in BOTS {
            stage.world.add_user(bot);
        }
        for _ in 0..ROUNDS {
            let api = handed.api(stage);
            stage.ask(AddServer(server_spec("other", api, wide_open()))).await;
            for bot in BOTS {
                let account = spec(bot, bot, "other", handed.sink(&mut random));
                stage.ask(AddAccount(account)).await.unwrap();
            }
            stage.pass(SECOND / 2).await;
            for _ in 0..random.usize(..6) {
                happen(stage, &mut handed, &mut random).await;
            }
            for bot in BOTS {
                stage.ask(RemoveAccount(name(bot))).await.unwrap();
            }
            stage.ask(RemoveServer(server("other"))).await.unwrap();
        }
        // What waits for a time to come holds on until then.
        stage.pass(600 * SECOND).await;
        assert_eq!(
            handed.held(),
            (0, 0),
            "of {} servers and {} sinks",
            handed.apis.len(),
            handed.sinks.len()
        );
    });
}
