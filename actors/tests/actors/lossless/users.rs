//! Twelve who talk at once, so that posts share their milliseconds and overtake each other; they edit and delete, too.

use std::collections::BTreeSet;

use matterhost_simulator::Post;

use super::MS;
use crate::simulator_harness::SimulatorHarness;

pub(super) struct ChattingUsers {
    pub(super) harness: SimulatorHarness,
    people: Vec<String>,
    said: BTreeSet<String>,
}

impl ChattingUsers {
    pub(super) fn of(harness: SimulatorHarness) -> Self {
        let people = (0..12).map(|n| harness.simulator.create_user(&format!("person-{n}")).user_id).collect();
        Self { harness, people, said: BTreeSet::new() }
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
        channels.into_iter().flat_map(|channel| self.harness.simulator.posts_in(&channel))
    }
}
