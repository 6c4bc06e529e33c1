//! Twelve users who post, edit and delete at once, so that posts share milliseconds and overtake each other.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use matterhost_simulator::{Post, PostOptions};

use super::{MS, addresses::TwoAddresses};
use crate::{catch_up::tick, simulator_harness::SimulatorHarness};

/// The replies that make a thread long. They are few, because both bots read them at each of many audits.
const THREAD_REPLIES: usize = 8;

/// The size of such a reply, which no other post has.
const THREAD_REPLY_BYTES: usize = 2_000;

/// A post that a person has deleted.
#[derive(Debug)]
pub(super) struct DeletedPost {
    /// The post as it was before.
    pub(super) post: Post,
    /// A time at which it was deleted already, in milliseconds.
    #[expect(dead_code, reason = "it is shown when a test fails")]
    deleted_by_ms: i64,
}

pub(super) struct ChattingUsers {
    pub(super) harness: SimulatorHarness,
    /// The addresses by which the host reaches the server, if it has not its own.
    pub(super) addresses: Option<TwoAddresses>,
    users: Vec<String>,
    posted: BTreeSet<String>,
    deleted: Vec<DeletedPost>,
    thread_replies: BTreeSet<String>,
    /// The posts made while the bot was out of their channel, each with the post about its removal.
    while_out: Vec<(String, String)>,
    /// The time before which no post is dated: until then the bot was not a member of all channels.
    earliest_date: i64,
}

impl ChattingUsers {
    pub(super) fn new(harness: SimulatorHarness, addresses: Option<TwoAddresses>) -> Self {
        let users = (0..12).map(|n| harness.simulator.create_user(&format!("person-{n}")).user_id).collect();
        Self {
            harness,
            addresses,
            users,
            posted: BTreeSet::new(),
            deleted: Vec::new(),
            thread_replies: BTreeSet::new(),
            while_out: Vec::new(),
            earliest_date: 0,
        }
    }

    /// Posts as random users in random channels, about a millisecond apart, and sometimes edits or deletes a post.
    pub(super) async fn chat(&mut self, random: &mut fastrand::Rng, posts: usize) {
        for _ in 0..posts {
            let channels = self.harness.channels.borrow().clone();
            let (user, channel) = (random.choice(&self.users).unwrap(), random.choice(&channels).unwrap());
            let post = self.harness.simulator.post(user, channel, "…");
            self.posted.insert(post.id);
            if random.u32(..6) == 0 {
                self.touch_any(random, channel);
            }
            if random.bool() {
                tokio::time::sleep(MS).await;
            }
        }
    }

    /// Returns a channel.
    pub(super) fn any_channel(&self, random: &mut fastrand::Rng) -> String {
        random.choice(self.harness.channels.borrow().iter()).unwrap().clone()
    }

    /// Posts with a creation time that is so many milliseconds later than now. Returns the post's id.
    pub(super) fn post_dated(&mut self, random: &mut fastrand::Rng, channel: &str, by_ms: i64) -> String {
        let post = self.harness.simulator.post_with(&PostOptions {
            user_id: random.choice(&self.users).unwrap().clone(),
            channel_id: channel.to_owned(),
            message: "dated".to_owned(),
            create_at: Some((now_ms() + by_ms).max(self.earliest_date)),
            ..PostOptions::default()
        });
        self.posted.insert(post.id.clone());
        post.id
    }

    /// Makes a thread long, by posts that no list shows, and lets pages bring it along.
    pub(super) fn lengthen_thread(&mut self, random: &mut fastrand::Rng) {
        let posts: Vec<Post> = self.posts().filter(|post| post.root_id.is_empty()).collect();
        if let Some(root) = random.choice(posts.iter()) {
            self.harness.simulator.bring_threads_along();
            self.harness.simulator.fill_thread(root, THREAD_REPLIES, THREAD_REPLY_BYTES);
            let posts = self.harness.simulator.posts_in(&root.channel_id);
            let replies = posts.into_iter().filter(|post| post.message.len() >= THREAD_REPLY_BYTES);
            self.thread_replies.extend(replies.map(|post| post.id));
        }
    }

    /// True if the post is of those that make a thread long. They were made in the past, in no order with others.
    pub(super) fn is_thread_reply(&self, post: &str) -> bool {
        self.thread_replies.contains(post)
    }

    /// Dates no later post before now.
    pub(super) fn date_from_now(&mut self) {
        tick();
        self.earliest_date = now_ms();
    }

    /// Adds all bots to another team, with a channel of their own.
    pub(super) fn join_another_team(&mut self) {
        let number = self.harness.channels.borrow().len();
        let team = self.harness.simulator.create_team(&format!("team-{number}"));
        self.harness.bots.iter().for_each(|bot| self.harness.simulator.add_to_team(&team, &bot.user_id));
        self.harness.add_channel_of_team(&team, &format!("room-{number}"));
        self.date_from_now();
    }

    /// Posts in a channel that the bot was just removed from.
    pub(super) fn post_while_out(&mut self, random: &mut fastrand::Rng, channel: &str) {
        let post = self.harness.simulator.post_with(&PostOptions {
            user_id: random.choice(&self.users).unwrap().clone(),
            channel_id: channel.to_owned(),
            message: "out".to_owned(),
            visible_after: Some(Duration::ZERO),
            ..PostOptions::default()
        });
        let posts = self.harness.simulator.posts_in(channel);
        let removal = posts.iter().rfind(|post| post.kind == "system_remove_from_channel").unwrap();
        self.while_out.push((post.id, removal.id.clone()));
    }

    /// True if the post was made while the bot was out of its channel.
    pub(super) fn is_while_out(&self, post: &str) -> bool {
        self.while_out.iter().any(|(out, _)| out == post)
    }

    /// Returns the posts made while the bot was out of their channel, if all posts about its removals are still there. Where
    /// one is gone, the return looks like one before the next removal, which comes within the same second here.
    pub(super) fn never_told(&self) -> Vec<String> {
        let visible: BTreeSet<String> = self.posts().map(|post| post.id).collect();
        if self.while_out.iter().any(|(_, removal)| !visible.contains(removal)) {
            return Vec::new();
        }
        self.while_out.iter().map(|(post, _)| post.clone()).collect()
    }

    /// Edits or deletes a random visible post of the channel.
    pub(super) fn touch_any(&mut self, random: &mut fastrand::Rng, channel: &str) {
        let visible: Vec<Post> = self.posts().filter(|post| post.channel_id == channel).collect();
        let Some(post) = random.choice(visible.iter()) else { return };
        if random.bool() {
            self.harness.simulator.edit_post(&post.id, "edited");
        } else {
            self.harness.simulator.delete_post(&post.id);
            self.posted.remove(&post.id);
            self.deleted.push(DeletedPost { post: post.clone(), deleted_by_ms: now_ms() });
        }
    }

    /// Removes the oldest posts of a channel, so many quarters of all.
    pub(super) fn purge_oldest(&mut self, channel: &str, quarters: usize) {
        let mut there: Vec<Post> = self.posts().filter(|post| post.channel_id == channel).collect();
        there.sort_by_key(|post| post.create_at);
        for post in &there[..there.len() * quarters / 4] {
            self.harness.simulator.purge_post(&post.id);
            self.posted.remove(&post.id);
        }
    }

    /// Returns the posts that people deleted.
    pub(super) fn deleted(&self) -> impl Iterator<Item = &DeletedPost> {
        self.deleted.iter()
    }

    /// Waits until all posts are visible.
    pub(super) async fn wait_until_visible(&self) {
        let is_hidden = |users: &Self| {
            let visible: BTreeSet<String> = users.posts().map(|post| post.id).collect();
            !users.posted.is_subset(&visible)
        };
        while is_hidden(self) {
            tokio::time::sleep(MS).await;
        }
    }

    /// Returns the visible posts of all channels, without those that fill a thread.
    pub(super) fn posts(&self) -> impl Iterator<Item = Post> {
        let channels = self.harness.channels.borrow().clone();
        let posts = channels.into_iter().flat_map(|channel| self.harness.simulator.posts_in(&channel));
        posts.filter(|post| !self.is_thread_reply(&post.id))
    }
}

/// Returns the time, in milliseconds.
pub(super) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}
