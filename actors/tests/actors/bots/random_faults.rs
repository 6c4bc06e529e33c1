//! A bot replies to every post exactly once under random faults: lost responses, errors, rate limits, lost sockets, a
//! disabled bot, a restarted server, a killed host.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use matterhost_actors::{
    bots::{Bot, BotResult, Context, Host, Post, RunningHost},
    policy::StartFrom,
    ports::MemoryStore,
};
use matterhost_simulator::{Account, Fault, FaultKind, Simulator, Timings};

use crate::simulator_harness::{fault_tolerant_settings, seeds};

const MS: Duration = Duration::from_millis(1);

/// Posts in each run.
const POSTS: usize = 40;

/// Replies with two posts, one of them in the thread.
struct Echo;

impl Bot for Echo {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        context.reply(format!("re: {}", post.message)).await?;
        context.reply_in_thread(format!("thread: {}", post.message)).await?;
        Ok(())
    }
}

struct Scenario {
    simulator: Simulator,
    channels: Vec<String>,
    bot: Account,
    ana: Account,
    store: Arc<MemoryStore>,
    posted: usize,
}

impl Scenario {
    /// Starts a server that deduplicates a `pending_post_id` for the given time (fact 19).
    fn new(pending_post_window: Duration) -> Self {
        let timings = Timings { pending_post_window, ..Timings::default() };
        let simulator = Simulator::builder().timings(timings).start().unwrap();
        let team = simulator.create_team("team");
        let (bot, ana) = (simulator.create_bot("bot"), simulator.create_user("ana"));
        simulator.add_to_team(&team, &bot.user_id);
        let channels = ["town", "garden", "cellar"].map(|name| {
            let channel = simulator.create_channel(&team, name);
            simulator.add_to_channel_quietly(&channel, &bot.user_id);
            channel
        });
        Self { simulator, channels: channels.to_vec(), bot, ana, store: Arc::default(), posted: 0 }
    }

    async fn host(&self) -> RunningHost {
        let mut settings = fault_tolerant_settings();
        settings.catch_up.from = StartFrom::At(0);
        settings.replies.loop_limit = 0;
        let host = Host::builder().settings(settings).store(self.store.clone()).server(self.simulator.url());
        host.account("bot", &*self.bot.token, Echo).start().await.unwrap()
    }

    async fn chat(&mut self, random: &mut fastrand::Rng, posts: usize) {
        for _ in 0..posts {
            let channel = random.choice(&self.channels).unwrap();
            self.simulator.post(&self.ana.user_id, channel, &format!("post {}", self.posted));
            self.posted += 1;
            tokio::time::sleep(MS * random.u32(0..4)).await;
        }
    }

    async fn inject_random_fault(&self, random: &mut fastrand::Rng, running: RunningHost) -> RunningHost {
        let simulator = &self.simulator;
        let fail_posting = |kind| {
            simulator.inject(Fault::new(kind).route("POST /posts").times(2));
        };
        match random.u32(..8) {
            0 | 1 => fail_posting(FaultKind::LostResponse),
            2 => fail_posting(FaultKind::ServerError),
            3 => fail_posting(FaultKind::Garbage),
            4 => fail_posting(FaultKind::TooManyRequests { retry_after: 0 }),
            5 => simulator.cycle(&self.bot.user_id),
            6 => {
                simulator.stop_server();
                tokio::time::sleep(10 * MS).await;
                simulator.start_server().unwrap();
            }
            _ => {
                // A kill, at any point of its work.
                drop(running);
                return self.host().await;
            }
        }
        running
    }

    /// Counts the posts of each reply text.
    fn count_replies(&self) -> BTreeMap<String, usize> {
        let mut replies = BTreeMap::new();
        for post in self.channels.iter().flat_map(|channel| self.simulator.posts_in(channel)) {
            if post.user_id == self.bot.user_id {
                *replies.entry(post.message).or_default() += 1;
            }
        }
        replies
    }

    /// Waits until all posts have their replies, or the timeout passes.
    fn wait_until_answered(&self) {
        let posts = 3 * self.posted as u64;
        self.simulator.wait_for(|seen| seen.posts_created >= posts, crate::harness::REAL_TIMEOUT);
    }
}

async fn run_with_faults(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    // Most of the servers deduplicate no `pending_post_id`, like servers behind a load balancer: the keys alone must do.
    let mut scenario =
        Scenario::new(if random.u32(..4) == 0 { Duration::from_secs(30) } else { Duration::ZERO });
    let mut running = scenario.host().await;
    for _ in 0..POSTS / 5 {
        scenario.chat(&mut random, 5).await;
        running = scenario.inject_random_fault(&mut random, running).await;
    }
    scenario.simulator.clear_faults();
    scenario.wait_until_answered();
    running.shutdown(Duration::from_secs(10)).await;
    let replies = scenario.count_replies();
    for n in 0..scenario.posted {
        for reply in [format!("re: post {n}"), format!("thread: post {n}")] {
            assert_eq!(
                replies.get(&reply).copied().unwrap_or_default(),
                1,
                "seed {seed}: count of {reply:?}"
            );
        }
    }
}

#[test]
fn every_post_is_answered_once_despite_random_faults() {
    for seed in seeds(4) {
        println!("seed {seed}; set MATTERHOST_SEED={seed} to repeat this run");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run_with_faults(seed));
    }
}
