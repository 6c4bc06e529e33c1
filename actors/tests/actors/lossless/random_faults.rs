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

const FAULTS: [&str; 20] = [
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
    "refusal",
    "proxy page",
    "short page",
    "odd row",
    "future",
    "out and back",
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
        "refusal" | "proxy page" | "short page" => strike_pages(users, what, random).await,
        "odd row" => {
            users.chat(random, 2).await;
            let fault = if random.bool() { Fault::missing_row } else { Fault::null_create_at };
            for post in users.posts().map(|post| post.id).collect::<Vec<_>>().iter().rev().take(2) {
                users.harness.simulator.inject(fault(post).lasting(300 * MS));
            }
            users.harness.simulator.drop_sockets(&bot.user_id);
        }
        "future" => users.say_in_the_future(random),
        "out and back" => users.send_out_and_back(random, &bot.user_id).await,
        _ => host_ends(users, log, random, what == "host kill").await,
    }
}

/// Pages are refused, or shorter than they might be, at the next catch-up, which begins at once.
async fn strike_pages(users: &mut ChattingUsers, what: &str, random: &mut fastrand::Rng) {
    let kind = match what {
        "refusal" if random.bool() => FaultKind::Forbidden,
        "refusal" => FaultKind::NotFound,
        "proxy page" => FaultKind::ProxyPage(if random.bool() { 403 } else { 404 }),
        _ => FaultKind::ShortPage(random.usize(..4)),
    };
    let bot = users.harness.bots[0].user_id.clone();
    let times = random.u32(1..3);
    users.harness.simulator.drop_sockets(&bot);
    users.harness.simulator.inject(Fault::new(kind).route("GET /channels/{channel_id}/posts").times(times));
    users.chat(random, 5).await;
}

/// The host ends, somebody goes on talking, and another begins.
async fn host_ends(users: &mut ChattingUsers, log: &mut RunLog, random: &mut fastrand::Rng, killed: bool) {
    let mut heard = if killed { users.harness.kill().await } else { users.harness.stop().await };
    log.earlier.push(heard.remove("bot").unwrap_or_default());
    users.chat(random, 5).await;
    users.harness.start_without_waiting().await;
}
