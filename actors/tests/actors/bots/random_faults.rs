//! A bot answers every post once, whatever strikes: answers that are lost, errors, rate limits, lost sockets, a bot that is
//! disabled, a server that restarts, a host that is killed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use matterhost_actors::{
    bots::{Bot, BotResult, Context, Host, Post, RunningHost},
    policy::StartFrom,
    ports::MemoryStore,
};
use matterhost_simulator::{Account, Fault, FaultKind, Simulator, Timings};

use crate::simulator_harness::fault_tolerant_settings;

const MS: Duration = Duration::from_millis(1);

/// Posts in each run.
const POSTS: usize = 40;

/// Answers in two posts, one of them in the thread.
struct Echo;

impl Bot for Echo {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        context.reply(format!("re: {}", post.message)).await?;
        context.reply_in_thread(format!("thread: {}", post.message)).await?;
        Ok(())
    }
}

struct Storm {
    simulator: Simulator,
    channels: Vec<String>,
    bot: Account,
    ana: Account,
    store: Arc<MemoryStore>,
    said: usize,
}

impl Storm {
    /// A server that remembers what was pending for so long.
    fn with(pending_post: Duration) -> Self {
        let timings = Timings { pending_post_window: pending_post, ..Timings::default() };
        let simulator = Simulator::builder().timings(timings).start().unwrap();
        let team = simulator.create_team("team");
        let (bot, ana) = (simulator.create_bot("bot"), simulator.create_user("ana"));
        simulator.add_to_team(&team, &bot.user_id);
        let channels = ["town", "garden", "cellar"].map(|name| {
            let channel = simulator.create_channel(&team, name);
            simulator.add_to_channel_quietly(&channel, &bot.user_id);
            channel
        });
        Self { simulator, channels: channels.to_vec(), bot, ana, store: Arc::default(), said: 0 }
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
            self.simulator.post(&self.ana.user_id, channel, &format!("post {}", self.said));
            self.said += 1;
            tokio::time::sleep(MS * random.u32(0..4)).await;
        }
    }

    async fn strike(&self, random: &mut fastrand::Rng, running: RunningHost) -> RunningHost {
        let simulator = &self.simulator;
        let writing = |kind| {
            simulator.inject(Fault::new(kind).route("POST /posts").times(2));
        };
        match random.u32(..8) {
            0 | 1 => writing(FaultKind::LostResponse),
            2 => writing(FaultKind::ServerError),
            3 => writing(FaultKind::Garbage),
            4 => writing(FaultKind::TooManyRequests { retry_after: 0 }),
            5 => simulator.cycle(&self.bot.user_id),
            6 => {
                simulator.stop_server();
                tokio::time::sleep(10 * MS).await;
                simulator.start_server().unwrap();
            }
            _ => {
                // Killed amid whatever it does.
                drop(running);
                return self.host().await;
            }
        }
        running
    }

    /// How often each answer was posted.
    fn answers(&self) -> BTreeMap<String, usize> {
        let mut answers = BTreeMap::new();
        for post in self.channels.iter().flat_map(|channel| self.simulator.posts_in(channel)) {
            if post.user_id == self.bot.user_id {
                *answers.entry(post.message).or_default() += 1;
            }
        }
        answers
    }

    /// Waits until all is answered, or patience ends.
    fn settles(&self) {
        let posts = 3 * self.said as u64;
        self.simulator.wait_for(|seen| seen.posts_created >= posts, crate::harness::REAL_TIMEOUT);
    }
}

async fn survives(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    // Most of the servers forget at once what was pending, as one does behind a load balancer: the keys alone must do.
    let mut storm = Storm::with(if random.u32(..4) == 0 { Duration::from_secs(30) } else { Duration::ZERO });
    let mut running = storm.host().await;
    for _ in 0..POSTS / 5 {
        storm.chat(&mut random, 5).await;
        running = storm.strike(&mut random, running).await;
    }
    storm.simulator.clear_faults();
    storm.settles();
    running.shutdown(Duration::from_secs(10)).await;
    let answers = storm.answers();
    for n in 0..storm.said {
        for answer in [format!("re: post {n}"), format!("thread: post {n}")] {
            assert_eq!(answers.get(&answer).copied().unwrap_or_default(), 1, "{answer}, seed {seed}");
        }
    }
}

#[test]
fn every_post_is_answered_once_whatever_strikes() {
    let given = std::env::var("MATTERHOST_SEED").ok().and_then(|seed| seed.parse().ok());
    let count = std::env::var("MATTERHOST_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(4);
    let seeds: Vec<u64> =
        given.map_or_else(|| (0..count).map(|_| fastrand::u64(..)).collect(), |seed| vec![seed]);
    for seed in seeds {
        println!("seed {seed}: give it as MATTERHOST_SEED to run it again");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(survives(seed));
    }
}
