//! Twelve who talk at once, so that posts share their milliseconds and overtake each other; they edit and delete, too.

use std::collections::BTreeSet;

use matterhost_simulator::Post;

use super::MS;
use crate::scene::Scene;

pub(super) struct Crowd {
    pub(super) scene: Scene,
    people: Vec<String>,
    said: BTreeSet<String>,
}

impl Crowd {
    pub(super) fn of(scene: Scene) -> Self {
        let people = (0..12).map(|n| scene.simulator.create_user(&format!("person-{n}")).user_id).collect();
        Self { scene, people, said: BTreeSet::new() }
    }

    /// So many posts by anybody anywhere, a moment apart; now and then one is edited or deleted.
    pub(super) async fn chat(&mut self, random: &mut fastrand::Rng, posts: usize) {
        for _ in 0..posts {
            let channels = self.scene.channels.borrow().clone();
            let (person, channel) = (random.choice(&self.people).unwrap(), random.choice(&channels).unwrap());
            let post = self.scene.simulator.post(person, channel, "…");
            self.said.insert(post.id);
            match random.u32(..12) {
                0 => self.touch(random, channel, |crowd, post| {
                    crowd.scene.simulator.edit_post(post, "edited");
                }),
                1 => self.touch(random, channel, |crowd, post| {
                    crowd.scene.simulator.delete_post(post);
                    crowd.said.remove(post);
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
        let there = self.scene.simulator.posts_in(channel);
        if let Some(post) = random.choice(there.iter()).map(|post| post.id.clone()) {
            happens(self, &post);
        }
    }

    /// Waits until all that was said is there to be read.
    pub(super) async fn all_said(&self) {
        while self.posts().count() < self.said.len() {
            tokio::time::sleep(MS).await;
        }
    }

    /// What is there to be read.
    pub(super) fn posts(&self) -> impl Iterator<Item = Post> {
        let channels = self.scene.channels.borrow().clone();
        channels.into_iter().flat_map(|channel| self.scene.simulator.posts_in(&channel))
    }
}
