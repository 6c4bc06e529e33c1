//! Twelve scenarios that were tried on real servers, on the simulator in both its versions: each ends with all posts told, each
//! once, in the order of its channel.

use std::{collections::BTreeSet, thread, time::Duration};

use matterhost_actors::{
    hosting::{CatchUpSettings, HostSettings},
    model::{Fact, PostId},
};
use matterhost_simulator::{Fault, FaultKind, ServerVersion};

use crate::{
    catch_up::tick,
    harness::ReceivedChange,
    simulator_harness::{SimulatorHarness, fault_tolerant_settings, quick_simulator_of, run},
};

const MS: Duration = Duration::from_millis(1);

/// Concurrent runs; each spends most of its time waiting.
const CONCURRENT_RUNS: usize = 8;

/// More posts than two pages hold.
const SEVERAL_PAGES: usize = 450;

#[derive(Debug, Clone, Copy)]
enum Scenario {
    DisabledAndEnabled,
    CycledQuickly,
    TokenToggled,
    CycledWhileAway,
    SocketCut,
    ConnectionsReset,
    NetworkSilent,
    ServerRestarted,
    RateLimited,
    AwayForLong,
    RemovedAndAdded,
    HostRestarted,
}

const SCENARIOS: [Scenario; 12] = [
    Scenario::DisabledAndEnabled,
    Scenario::CycledQuickly,
    Scenario::TokenToggled,
    Scenario::CycledWhileAway,
    Scenario::SocketCut,
    Scenario::ConnectionsReset,
    Scenario::NetworkSilent,
    Scenario::ServerRestarted,
    Scenario::RateLimited,
    Scenario::AwayForLong,
    Scenario::RemovedAndAdded,
    Scenario::HostRestarted,
];

#[test]
fn no_post_is_lost_told_twice_or_out_of_order_in_any_of_twelve_scenarios() {
    let hosts: [&[&str]; 2] = [&["bot"], &["bot", "sibling"]];
    let runs: Vec<_> = SCENARIOS
        .into_iter()
        .flat_map(|scenario| ServerVersion::ALL.map(|version| (scenario, version)))
        .flat_map(|(scenario, version)| hosts.map(|bots| (scenario, version, bots)))
        .collect();
    for runs in runs.chunks(CONCURRENT_RUNS) {
        thread::scope(|scope| {
            for &(scenario, version, bots) in runs {
                scope.spawn(move || run(async || keeps_its_promises(scenario, version, bots).await));
            }
        });
    }
}

async fn keeps_its_promises(scenario: Scenario, version: ServerVersion, bots: &[&str]) {
    let context = format!("{scenario:?} on {version:?} with {bots:?}");
    let mut conversation = Conversation::start(version, bots).await;
    conversation.talk(2);
    conversation.wait_until_told().await;
    conversation.strike(scenario).await;
    conversation.talk(2);
    conversation.wait_until_told().await;
    // Another catch-up tells nothing twice.
    conversation.harness.drop_and_reconnect().await;
    conversation.talk(1);
    conversation.wait_until_told().await;
    for bot in bots {
        let told = conversation.told(bot);
        let ids: BTreeSet<PostId> = told.iter().map(|post| post.id.clone()).collect();
        assert_eq!(ids.len(), told.len(), "{context}: {bot} was told a post twice: {told:#?}");
        for channel in conversation.harness.channels.borrow().iter() {
            let there = told.iter().filter(|post| post.channel.as_str() == channel);
            let there = there.map(|post| &post.id).filter(|post| conversation.has_posted(post));
            let expected = conversation.posts.iter().filter(|post| {
                post.channel == *channel && (*bot != "bot" || !conversation.while_out.contains(&post.id))
            });
            assert!(there.eq(expected.map(|post| &post.id)), "{context}: {bot} in {channel}: {told:#?}");
        }
        assert_eq!(conversation.harness.host.count(bot, "tripped"), 0, "{context}");
    }
}

/// A post that a person made.
struct ExpectedPost {
    channel: String,
    id: PostId,
}

/// A person who talks in two channels to bots.
struct Conversation {
    harness: SimulatorHarness,
    /// The posts, in the order of their channels.
    posts: Vec<ExpectedPost>,
    /// The posts made while the first bot was out of their channel.
    while_out: Vec<PostId>,
    /// The changes that earlier hosts received, by bot.
    earlier: Vec<(String, Vec<ReceivedChange>)>,
}

impl Conversation {
    /// Starts with cursors that forget what is older than the newest post by a millisecond: nothing is told once because it
    /// happens to be remembered.
    async fn start(version: ServerVersion, bots: &[&str]) -> Self {
        let catch_up = CatchUpSettings { overlap: MS, ..CatchUpSettings::default() };
        let settings = HostSettings { catch_up, ..fault_tolerant_settings() };
        let names: Vec<String> = bots.iter().map(|&bot| bot.to_owned()).collect();
        let harness = SimulatorHarness::with_settings(quick_simulator_of(version), settings, &names).await;
        harness.add_channel_with_bots("room");
        Self { harness, posts: Vec::new(), while_out: Vec::new(), earlier: Vec::new() }
    }

    /// Posts in each channel. No two posts share a millisecond, so that their order is known.
    fn talk(&mut self, posts: usize) {
        let channels = self.harness.channels.borrow().clone();
        for channel in (0..posts).flat_map(|_| &channels) {
            tick();
            let id = self.harness.post_in(channel, "…");
            self.posts.push(ExpectedPost { channel: channel.clone(), id });
        }
    }

    fn has_posted(&self, id: &PostId) -> bool {
        self.posts.iter().any(|post| post.id == *id)
    }

    /// Waits until each bot was told the last post of each channel.
    async fn wait_until_told(&self) {
        let channels = self.harness.channels.borrow().clone();
        for channel in channels {
            let last = self.posts.iter().rfind(|post| post.channel == channel).unwrap();
            for sink in self.harness.sinks.values() {
                sink.wait_for_changes(1, |change| change.id == last.id).await;
            }
        }
    }

    /// Returns the posts that a bot was told by all hosts.
    fn told(&self, bot: &str) -> Vec<ReceivedChange> {
        let earlier = self.earlier.iter().filter(|(name, _)| name == bot).flat_map(|(_, told)| told.clone());
        let told = earlier.chain(self.harness.sinks[bot].received_changes());
        told.filter(|change| change.create_at > 0).collect()
    }

    async fn strike(&mut self, scenario: Scenario) {
        let bot = self.harness.bots[0].clone();
        let simulator = &self.harness.simulator;
        match scenario {
            Scenario::DisabledAndEnabled | Scenario::AwayForLong => {
                simulator.disable(&bot.user_id);
                self.harness.host.wait_for("bot", |fact| *fact == Fact::Blocked).await;
                match scenario {
                    Scenario::AwayForLong => self.talk(SEVERAL_PAGES),
                    _ => self.talk(3),
                }
                self.harness.simulator.enable(&bot.user_id);
            }
            Scenario::CycledQuickly => simulator.cycle(&bot.user_id),
            Scenario::TokenToggled => simulator.toggle_token(&bot.token_id),
            Scenario::CycledWhileAway => self.cycle_while_away(&bot.user_id).await,
            Scenario::SocketCut => simulator.drop_sockets(&bot.user_id),
            Scenario::ConnectionsReset => simulator.reset_connections(&bot.user_id),
            Scenario::NetworkSilent => {
                simulator.inject(Fault::new(FaultKind::Silence).user(&bot.user_id).lasting(700 * MS));
            }
            Scenario::ServerRestarted => {
                simulator.stop_server();
                self.talk(3);
                self.harness.simulator.start_server().unwrap();
            }
            Scenario::RateLimited => {
                let limited = Fault::new(FaultKind::TooManyRequests { retry_after: 1 });
                simulator.inject(limited.lasting(100 * MS));
                simulator.drop_sockets(&bot.user_id);
            }
            Scenario::RemovedAndAdded => self.remove_and_add(&bot.user_id),
            Scenario::HostRestarted => {
                self.earlier.extend(self.harness.stop().await);
                self.talk(3);
                self.harness.start_without_waiting().await;
            }
        }
        self.talk(3);
    }

    /// Disables and enables the bot while its socket is away: a resume goes on without a gap (fact 21).
    async fn cycle_while_away(&mut self, bot: &str) {
        let refusing = self.harness.simulator.inject(Fault::new(FaultKind::Refuse));
        self.harness.simulator.drop_sockets(bot);
        self.harness.host.wait_until_closed("bot").await;
        self.harness.simulator.disable(bot);
        self.talk(3);
        self.harness.simulator.enable(bot);
        self.harness.simulator.clear_fault(refusing);
    }

    fn remove_and_add(&mut self, bot: &str) {
        let room = self.harness.channels.borrow().last().unwrap().clone();
        tick();
        self.harness.simulator.remove_from_channel(&room, bot);
        let before = self.posts.len();
        self.talk(3);
        let posted = self.posts[before..].iter().filter(|post| post.channel == room);
        self.while_out.extend(posted.map(|post| post.id.clone()));
        tick();
        self.harness.simulator.add_to_channel(&room, bot);
    }
}
