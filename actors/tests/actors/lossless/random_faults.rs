//! Random faults, and the log of a run.

use std::collections::BTreeSet;

use matterhost_actors::model::{ChannelId, Fact, Truncation};
use matterhost_simulator::{Fault, FaultKind};

use super::{
    MS,
    addresses::{ADDRESS_FAULTS, TwoAddresses},
    field_faults::{FIELD_FAULTS, MANY_CHANGES, inject_field_fault},
    users::ChattingUsers,
};
use crate::{harness::ReceivedChange, simulator_harness::SimulatorHarness};

/// The changes that the bot received, and the faults that were injected.
#[derive(Default)]
pub(super) struct RunLog {
    /// The changes received by earlier hosts of the run.
    earlier: Vec<Vec<ReceivedChange>>,
    pub(super) faults: Vec<&'static str>,
    /// The channels of which the bot's earlier hosts reported that the server left changes out.
    cut: BTreeSet<ChannelId>,
    /// True in a run with more changes at once than a server shows.
    has_many_changes: bool,
}

impl RunLog {
    pub(super) fn new(has_many_changes: bool) -> Self {
        Self { has_many_changes, ..Self::default() }
    }

    /// Returns the channels of which it was reported that the server left changes out.
    pub(super) fn cut_channels(&self, harness: &mut SimulatorHarness) -> BTreeSet<ChannelId> {
        harness.host.pass_observations();
        let cut = harness.host.seen.iter().filter_map(|seen| match &seen.fact {
            Fact::CatchUpTruncated { channel, what: Truncation::Changes { .. } } => Some(channel.clone()),
            _ => None,
        });
        self.cut.iter().cloned().chain(cut).collect()
    }

    /// Returns the changes received so far, one list per host.
    pub(super) fn received(&self, harness: &SimulatorHarness) -> Vec<Vec<ReceivedChange>> {
        let mut received = self.earlier.clone();
        received.push(harness.sinks["bot"].received_changes());
        received
    }
}

/// The posts made before addresses are in trouble, one in about a millisecond. Meanwhile all may have connected again.
const MAX_POSTS_BEFORE_STRIKE: usize = 120;

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
    let of_addresses = users.addresses.as_ref().map_or(&[][..], TwoAddresses::faults);
    let usual = &FAULTS[..FAULTS.len() - usize::from(!kills)];
    // What only some runs have comes at their beginning.
    let name = match log.faults.len() {
        0 if !of_addresses.is_empty() => random.choice(of_addresses.iter().copied()),
        1 if log.has_many_changes => Some(MANY_CHANGES),
        _ => random.choice([usual, &FIELD_FAULTS, of_addresses].concat()),
    };
    let name = name.unwrap();
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
        name if ADDRESS_FAULTS.contains(&name) => strike_addresses(users, random, name).await,
        "host stop" | "host kill" => replace_host(users, log, random, name == "host kill").await,
        _ => inject_field_fault(users, random, name).await,
    }
}

/// Gives addresses of the server a trouble while all connect again, or read what they missed: it is everybody's, so that
/// nobody is asked slowly.
async fn strike_addresses(users: &mut ChattingUsers, random: &mut fastrand::Rng, name: &str) {
    let harness = &users.harness;
    harness.bots.iter().for_each(|bot| harness.simulator.drop_sockets(&bot.user_id));
    let posts_before = random.usize(..MAX_POSTS_BEFORE_STRIKE);
    users.chat(random, posts_before).await;
    users.addresses.iter().for_each(|two| two.strike(random, name));
    users.chat(random, 5).await;
}

/// Stops or kills the host, posts meanwhile, and starts another.
async fn replace_host(users: &mut ChattingUsers, log: &mut RunLog, random: &mut fastrand::Rng, killed: bool) {
    let mut received = if killed { users.harness.kill().await } else { users.harness.stop().await };
    log.cut = log.cut_channels(&mut users.harness);
    log.earlier.push(received.remove("bot").unwrap_or_default());
    users.chat(random, 5).await;
    users.harness.start_without_waiting().await;
}
