//! Keyed posts, answers that grow and files of bots, under random faults: lost responses, errors, rate limits, lost sockets, a
//! disabled bot, a restarted server, a killed host. Each is there once, in order within its channel, with its last text.

use std::{sync::Arc, time::Duration};

use matterhost_actors::{
    bots::{Bot, BotResult, Context, Host, Post, RunningHost},
    model::{ChannelId, Draft, ReplyKey},
    policy::StartFrom,
    ports::MemoryStore,
};
use matterhost_simulator::{Account, Fault, FaultKind, Simulator};

use crate::{
    harness::REAL_TIMEOUT,
    simulator_harness::{fault_tolerant_settings, seeds},
};

const MS: Duration = Duration::from_millis(1);

/// The questions of a run, and the faults meanwhile.
const QUESTIONS: usize = 9;
const FAULTS: usize = 12;

/// The requests of which some fail.
const ROUTES: [&str; 4] =
    ["POST /posts", "PUT /posts/{post_id}/patch", "POST /files", "GET /channels/{channel_id}/posts"];

/// Answers each question by a text that grows, a post in another channel, and a file.
struct Writer {
    asides: ChannelId,
}

impl Bot for Writer {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        let question = &post.message;
        let answer = ReplyKey::new(&format!("answer-{}", post.id))?;
        let draft = Draft { text: format!("{question} …"), key: Some(answer.clone()), ..Draft::default() };
        context.post(draft).await?;
        for n in 0..fastrand::u32(0..30) {
            context.update_soon(&answer, format!("{question} {n}")).await?;
        }
        let aside = Draft {
            channel: self.asides.clone(),
            text: format!("aside {question}"),
            key: Some(ReplyKey::new(&format!("aside-{}", post.id))?),
            ..Draft::default()
        };
        context.post(aside).await?;
        context.update(&answer, format!("{question} end")).await?;
        context.upload("notes.txt", question.clone().into_bytes(), format!("file {question}")).await?;
        context.react("eyes").await?;
        Ok(())
    }
}

/// A server with a person who asks, and a bot.
struct Storm {
    simulator: Simulator,
    /// The last one is for asides.
    channels: Vec<String>,
    bot: Account,
    person: Account,
    store: Arc<MemoryStore>,
    /// The questions of each channel.
    asked: Vec<Vec<String>>,
}

impl Storm {
    fn new() -> Self {
        let simulator = Simulator::start().unwrap();
        let team = simulator.create_team("team");
        let (bot, person) = (simulator.create_bot("bot"), simulator.create_user("ana"));
        simulator.add_to_team(&team, &bot.user_id);
        let channels = ["town", "garden", "asides"].map(|name| {
            let channel = simulator.create_channel(&team, name);
            simulator.add_to_channel_quietly(&channel, &bot.user_id);
            channel
        });
        let (channels, asked) = (channels.to_vec(), vec![Vec::new(); 2]);
        Self { simulator, channels, bot, person, store: Arc::default(), asked }
    }

    async fn host(&self) -> RunningHost {
        let mut settings = fault_tolerant_settings();
        settings.catch_up.from = StartFrom::At(0);
        settings.replies.loop_limit = 0;
        let host = Host::builder().settings(settings).store(self.store.clone()).server(self.simulator.url());
        let writer = Writer { asides: ChannelId::from(&*self.channels[2]) };
        host.account("bot", &*self.bot.token, writer).start().await.unwrap()
    }

    fn ask(&mut self, random: &mut fastrand::Rng, n: usize) {
        let (channel, question) = (random.usize(..2), format!("q{n}"));
        self.simulator.post(&self.person.user_id, &self.channels[channel], &question);
        self.asked[channel].push(question);
    }

    async fn strike(&self, random: &mut fastrand::Rng, running: RunningHost) -> RunningHost {
        let simulator = &self.simulator;
        let route = *random.choice(&ROUTES).unwrap();
        let fail = |kind| {
            simulator.inject(Fault::new(kind).route(route).times(1));
        };
        match random.u32(..10) {
            0..3 => fail(FaultKind::LostResponse),
            3 => fail(FaultKind::ServerError),
            4 => fail(FaultKind::ProxyPage(502)),
            5 => fail(FaultKind::TooManyRequests { retry_after: 0 }),
            6 => simulator.cycle(&self.bot.user_id),
            7 => {
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

    /// Returns the bot's posts in a channel with that beginning, in order.
    fn posts(&self, channel: usize, beginning: &str) -> Vec<String> {
        let posts = self.simulator.posts_in(&self.channels[channel]).into_iter();
        let own =
            posts.filter(|post| post.user_id == self.bot.user_id && post.message.starts_with(beginning));
        own.map(|post| format!("{}{}", post.message, if post.file_ids.len() == 1 { " +" } else { "" }))
            .collect()
    }

    /// Returns what is missing, doubled or out of order.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut compare = |found: Vec<String>, expected: Vec<String>| {
            if found != expected {
                problems.push(format!("{found:?} instead of {expected:?}"));
            }
        };
        for (channel, asked) in self.asked.iter().enumerate() {
            compare(self.posts(channel, "q"), asked.iter().map(|q| format!("{q} end")).collect());
            compare(self.posts(channel, "file"), asked.iter().map(|q| format!("file {q} +")).collect());
        }
        // Those of two channels come in any order.
        let asides = self.asked.iter().flatten().map(|question| format!("aside {question}"));
        let (mut found, mut expected) = (self.posts(2, ""), asides.collect::<Vec<_>>());
        found.sort();
        expected.sort();
        compare(found, expected);
        problems
    }
}

async fn run(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut storm = Storm::new();
    let mut running = storm.host().await;
    let mut asked = 0;
    for n in 0..FAULTS {
        while asked < QUESTIONS * (n + 1) / FAULTS {
            storm.ask(&mut random, asked);
            asked += 1;
        }
        running = storm.strike(&mut random, running).await;
        tokio::time::sleep(MS * random.u32(..150)).await;
    }
    storm.simulator.clear_faults();
    let end = tokio::time::Instant::now() + REAL_TIMEOUT;
    loop {
        let problems = storm.problems();
        if problems.is_empty() {
            break;
        }
        assert!(tokio::time::Instant::now() < end, "seed {seed}: {problems:#?}");
        tokio::time::sleep(20 * MS).await;
    }
    running.shutdown(Duration::from_secs(10)).await;
    assert_eq!(storm.problems(), [""; 0], "seed {seed}: after the end");
}

#[test]
fn every_keyed_action_of_a_bot_is_done_once_despite_random_faults() {
    for seed in seeds(2) {
        println!("seed {seed}; set MATTERHOST_SEED={seed} to repeat this run");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(seed));
    }
}
