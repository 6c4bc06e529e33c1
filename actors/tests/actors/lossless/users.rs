//! Twelve who talk at once, so that posts share their milliseconds and overtake each other; they edit and delete, too.

use std::collections::BTreeSet;

use matterhost_simulator::{Post, PostOptions};

use super::MS;
use crate::simulator_harness::SimulatorHarness;

pub(super) struct ChattingUsers {
    pub(super) harness: SimulatorHarness,
    people: Vec<String>,
    said: BTreeSet<String>,
    /// Said while the bot was out: not for it.
    out: BTreeSet<String>,
}

impl ChattingUsers {
    pub(super) fn of(harness: SimulatorHarness) -> Self {
        let people = (0..12).map(|n| harness.simulator.create_user(&format!("person-{n}")).user_id).collect();
        Self { harness, people, said: BTreeSet::new(), out: BTreeSet::new() }
    }

    /// So many posts by anybody anywhere, a moment apart; now and then one is edited or deleted.
    pub(super) async fn chat(&mut self, random: &mut fastrand::Rng, posts: usize) {
        for _ in 0..posts {
            let channels = self.harness.channels.borrow().clone();
            let (person, channel) = (random.choice(&self.people).unwrap(), random.choice(&channels).unwrap());
            let post = self.harness.simulator.post(person, channel, "…");
            self.said.insert(post.id);
            match random.u32(..12) {
                0 => self.touch(random, channel, |users, post| {
                    users.harness.simulator.edit_post(post, "edited");
                }),
                1 => self.touch(random, channel, |users, post| {
                    users.harness.simulator.delete_post(post);
                    users.said.remove(post);
                }),
                _ => {}
            }
            if random.bool() {
                tokio::time::sleep(MS).await;
            }
        }
    }

    /// A post dated a year into the future.
    pub(super) fn say_in_the_future(&mut self, random: &mut fastrand::Rng) {
        let channels = self.harness.channels.borrow().clone();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let year = std::time::Duration::from_secs(365 * 24 * 3_600);
        let post = self.harness.simulator.post_with(&PostOptions {
            user_id: random.choice(&self.people).unwrap().clone(),
            channel_id: random.choice(&channels).unwrap().clone(),
            message: "from the future".into(),
            create_at: i64::try_from((now + year).as_millis()).ok(),
            ..PostOptions::default()
        });
        self.said.insert(post.id);
    }

    /// The bot is removed from a channel while its socket is cut, something is said there, and it is added again.
    pub(super) async fn send_out_and_back(&mut self, random: &mut fastrand::Rng, bot: &str) {
        let side = self.harness.channels.borrow()[1].clone();
        // What is said before becomes visible first.
        self.wait_until_visible().await;
        tokio::time::sleep(2 * MS).await;
        self.harness.simulator.disable(bot);
        self.harness.simulator.remove_from_channel(&side, bot);
        tokio::time::sleep(2 * MS).await;
        for _ in 0..3 {
            let person = random.choice(&self.people).unwrap();
            self.out.insert(self.harness.simulator.post(person, &side, "while out").id);
        }
        while !self
            .out
            .iter()
            .all(|id| self.harness.simulator.posts_in(&side).iter().any(|post| post.id == *id))
        {
            tokio::time::sleep(MS).await;
        }
        tokio::time::sleep(2 * MS).await;
        self.harness.simulator.add_to_channel(&side, bot);
        self.harness.simulator.enable(bot);
    }

    /// True if a post was said while the bot was out.
    pub(super) fn is_out(&self, post: &str) -> bool {
        self.out.contains(post)
    }

    /// Something becomes of a post that is there.
    fn touch(&mut self, random: &mut fastrand::Rng, channel: &str, happens: impl FnOnce(&mut Self, &str)) {
        let there = self.harness.simulator.posts_in(channel);
        if let Some(post) = random.choice(there.iter()).map(|post| post.id.clone()) {
            happens(self, &post);
        }
    }

    /// Waits until all that was said is there to be read.
    pub(super) async fn wait_until_visible(&self) {
        while self.posts().count() < self.said.len() {
            tokio::time::sleep(MS).await;
        }
    }

    /// What is there to be read.
    pub(super) fn posts(&self) -> impl Iterator<Item = Post> {
        let channels = self.harness.channels.borrow().clone();
        let there = channels.into_iter().flat_map(|channel| self.harness.simulator.posts_in(&channel));
        there.filter(|post| !self.out.contains(&post.id))
    }
}
