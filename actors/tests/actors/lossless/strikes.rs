//! What may strike, each time at random.

use matterhost_simulator::{Fault, FaultKind};

use super::{MS, crowd::Crowd};
use crate::{scene::Scene, stage::Taken};

/// What the bot heard in all lives of its host, and what befell it.
#[derive(Default)]
pub(super) struct Life {
    earlier: Vec<Vec<Taken>>,
    pub(super) strikes: Vec<&'static str>,
}

impl Life {
    /// What was heard until now, life by life.
    pub(super) fn so_far(&self, scene: &Scene) -> Vec<Vec<Taken>> {
        let mut heard = self.earlier.clone();
        heard.push(scene.ears["bot"].taken_so_far());
        heard
    }
}

const STRIKES: [&str; 14] = [
    "cycle",
    "disable",
    "toggle",
    "reset",
    "drop",
    "silence",
    "500",
    "429",
    "garbage",
    "server stop",
    "gap",
    "duplicate",
    "host stop",
    "host kill",
];

pub(super) async fn strike(crowd: &mut Crowd, life: &mut Life, random: &mut fastrand::Rng, kills: bool) {
    let what = STRIKES[random.usize(..STRIKES.len() - usize::from(!kills))];
    life.strikes.push(what);
    let bot = crowd.scene.bots[0].clone();
    let simulator = &crowd.scene.simulator;
    let fault = |kind| {
        simulator.inject(Fault::new(kind).lasting(50 * MS));
    };
    match what {
        "cycle" => simulator.cycle(&bot.user_id),
        "disable" => {
            simulator.disable(&bot.user_id);
            crowd.chat(random, 5).await;
            crowd.scene.simulator.enable(&bot.user_id);
        }
        "toggle" => simulator.toggle_token(&bot.token_id),
        "reset" => simulator.reset(&bot.user_id),
        "drop" => simulator.drop_sockets(&bot.user_id),
        "silence" => {
            simulator.inject(Fault::new(FaultKind::Silence).user(&bot.user_id).lasting(700 * MS));
        }
        "500" => fault(FaultKind::ServerError),
        "429" => fault(FaultKind::TooManyRequests { retry_after: 1 }),
        "garbage" => fault(FaultKind::Garbage),
        "server stop" => {
            simulator.stop_server();
            crowd.chat(random, 5).await;
            crowd.scene.simulator.start_server().unwrap();
        }
        "gap" => {
            simulator.inject(Fault::new(FaultKind::SequenceGap).times(2));
        }
        "duplicate" => {
            simulator.inject(Fault::new(FaultKind::DuplicateEvent).times(3));
        }
        _ => host_ends(crowd, life, random, what == "host kill").await,
    }
}

/// The host ends, somebody goes on talking, and another begins.
async fn host_ends(crowd: &mut Crowd, life: &mut Life, random: &mut fastrand::Rng, killed: bool) {
    let mut heard = if killed { crowd.scene.kill().await } else { crowd.scene.stop().await };
    life.earlier.push(heard.remove("bot").unwrap_or_default());
    crowd.chat(random, 5).await;
    crowd.scene.start_without_waiting().await;
}
