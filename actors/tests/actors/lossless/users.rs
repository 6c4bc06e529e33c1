//! Twelve users who post, edit and delete at once, so that posts share milliseconds and overtake each other.

use std::collections::BTreeSet;

use matterhost_simulator::Post;

use super::MS;
use crate::simulator_harness::SimulatorHarness;

pub(super) struct ChattingUsers {
    pub(super) harness: SimulatorHarness,
    users: Vec<String>,
    posted: BTreeSet<String>,
}

impl ChattingUsers {
    pub(super) fn new(harness: SimulatorHarness) -> Self {
        let users = (0..12).map(|n| harness.simulator.create_user(&format!("person-{n}")).user_id).collect();
        Self { harness, users, posted: BTreeSet::new() }
    }

    /// Posts as random users in random channels, about a millisecond apart, and sometimes edits or deletes a post.
    pub(super) async fn chat(&mut self, random: &mut fastrand::Rng, posts: usize) {
        for _ in 0..posts {
            let channels = self.harness.channels.borrow().clone();
            let (user, channel) = (random.choice(&self.users).unwrap(), random.choice(&channels).unwrap());
            let post = self.harness.simulator.post(user, channel, "…");
            self.posted.insert(post.id);
            match random.u32(..12) {
                0 => self.touch(random, channel, |users, post| {
                    users.harness.simulator.edit_post(post, "edited");
                }),
                1 => self.touch(random, channel, |users, post| {
                    users.harness.simulator.delete_post(post);
                    users.posted.remove(post);
                }),
                _ => {}
            }
            if random.bool() {
                tokio::time::sleep(MS).await;
            }
        }
    }

    /// Applies a change to a random visible post of the channel.
    fn touch(&mut self, random: &mut fastrand::Rng, channel: &str, change: impl FnOnce(&mut Self, &str)) {
        let visible = self.harness.simulator.posts_in(channel);
        if let Some(post) = random.choice(visible.iter()).map(|post| post.id.clone()) {
            change(self, &post);
        }
    }

    /// Waits until all posts are visible.
    pub(super) async fn wait_until_visible(&self) {
        while self.posts().count() < self.posted.len() {
            tokio::time::sleep(MS).await;
        }
    }

    /// Returns the visible posts of all channels.
    pub(super) fn posts(&self) -> impl Iterator<Item = Post> {
        let channels = self.harness.channels.borrow().clone();
        channels.into_iter().flat_map(|channel| self.harness.simulator.posts_in(&channel))
    }
}
