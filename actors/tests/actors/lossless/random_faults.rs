//! What may strike, each time at random.

use matterhost_simulator::{Fault, FaultKind};

use super::{MS, users::ChattingUsers};
use crate::{harness::ReceivedChange, simulator_harness::SimulatorHarness};

/// What the bot heard in all lives of its host, and what befell it.
#[derive(Default)]
pub(super) struct RunLog {
    earlier: Vec<Vec<ReceivedChange>>,
    pub(super) faults: Vec<&'static str>,
}

impl RunLog {
    /// What was heard until now, life by life.
    pub(super) fn received(&self, harness: &SimulatorHarness) -> Vec<Vec<ReceivedChange>> {
        let mut heard = self.earlier.clone();
        heard.push(harness.sinks["bot"].received_changes());
        heard
    }
}

const FAULTS: [&str; 14] = [
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

pub(super) async fn inject_random_fault(
    users: &mut ChattingUsers,
    log: &mut RunLog,
    random: &mut fastrand::Rng,
    kills: bool,
) {
    let what = FAULTS[random.usize(..FAULTS.len() - usize::from(!kills))];
    log.faults.push(what);
    let bot = users.harness.bots[0].clone();
    let simulator = &users.harness.simulator;
    let fault = |kind| {
        simulator.inject(Fault::new(kind).lasting(50 * MS));
    };
    match what {
        "cycle" => simulator.cycle(&bot.user_id),
        "disable" => {
            simulator.disable(&bot.user_id);
            users.chat(random, 5).await;
            users.harness.simulator.enable(&bot.user_id);
        }
        "toggle" => simulator.toggle_token(&bot.token_id),
        "reset" => simulator.reset_connections(&bot.user_id),
        "drop" => simulator.drop_sockets(&bot.user_id),
        "silence" => {
            simulator.inject(Fault::new(FaultKind::Silence).user(&bot.user_id).lasting(700 * MS));
        }
        "500" => fault(FaultKind::ServerError),
        "429" => fault(FaultKind::TooManyRequests { retry_after: 1 }),
        "garbage" => fault(FaultKind::Garbage),
        "server stop" => {
            simulator.stop_server();
            users.chat(random, 5).await;
            users.harness.simulator.start_server().unwrap();
        }
        "gap" => {
            simulator.inject(Fault::new(FaultKind::SequenceGap).times(2));
        }
        "duplicate" => {
            simulator.inject(Fault::new(FaultKind::DuplicateEvent).times(3));
        }
        _ => host_ends(users, log, random, what == "host kill").await,
    }
}

/// The host ends, somebody goes on talking, and another begins.
async fn host_ends(users: &mut ChattingUsers, log: &mut RunLog, random: &mut fastrand::Rng, killed: bool) {
    let mut heard = if killed { users.harness.kill().await } else { users.harness.stop().await };
    log.earlier.push(heard.remove("bot").unwrap_or_default());
    users.chat(random, 5).await;
    users.harness.start_without_waiting().await;
}
