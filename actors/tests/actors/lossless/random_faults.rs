//! Random faults, and the log of a run.

use matterhost_simulator::{Fault, FaultKind};

use super::{
    MS,
    field_faults::{FIELD_FAULTS, inject_field_fault},
    users::ChattingUsers,
};
use crate::{harness::ReceivedChange, simulator_harness::SimulatorHarness};

/// The changes that the bot received, and the faults that were injected.
#[derive(Default)]
pub(super) struct RunLog {
    /// The changes received by earlier hosts of the run.
    earlier: Vec<Vec<ReceivedChange>>,
    pub(super) faults: Vec<&'static str>,
}

impl RunLog {
    /// Returns the changes received so far, one list per host.
    pub(super) fn received(&self, harness: &SimulatorHarness) -> Vec<Vec<ReceivedChange>> {
        let mut received = self.earlier.clone();
        received.push(harness.sinks["bot"].received_changes());
        received
    }
}

/// The faults of a server, a network and an account; the last two end the host.
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
    let usual = &FAULTS[..FAULTS.len() - usize::from(!kills)];
    let at = random.usize(..usual.len() + FIELD_FAULTS.len());
    let name = usual.get(at).copied().unwrap_or_else(|| FIELD_FAULTS[at - usual.len()]);
    log.faults.push(name);
    let bot = users.harness.bots[0].clone();
    let simulator = &users.harness.simulator;
    let fault = |kind| {
        simulator.inject(Fault::new(kind).lasting(50 * MS));
    };
    match name {
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
        "host stop" | "host kill" => replace_host(users, log, random, name == "host kill").await,
        _ => inject_field_fault(users, random, name).await,
    }
}

/// Stops or kills the host, posts meanwhile, and starts another.
async fn replace_host(users: &mut ChattingUsers, log: &mut RunLog, random: &mut fastrand::Rng, killed: bool) {
    let mut received = if killed { users.harness.kill().await } else { users.harness.stop().await };
    log.earlier.push(received.remove("bot").unwrap_or_default());
    users.chat(random, 5).await;
    users.harness.start_without_waiting().await;
}
