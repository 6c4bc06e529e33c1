//! A guard against hosted bots that answer each other endlessly.

use std::collections::{HashMap, HashSet};

use crate::model::{ChannelId, UserId};

/// The maximum number of counted channels. Beyond it all counts are reset: a loop is detected a little later.
const MOST_CHANNELS: usize = 10_000;

/// The verdict on a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoopVerdict {
    /// The post may be made, and is counted.
    Allow,
    /// The post exceeds the limit.
    Refuse {
        /// True for the first refusal since another user posted, which must be reported.
        first: bool,
    },
}

/// Counts the consecutive posts of a server's hosted bots in each channel.
///
/// Answers beyond the limit are refused. Other posts are counted and never refused: a bot that posts news in a
/// channel where no other user posts is not a loop.
#[derive(Debug)]
pub(crate) struct LoopGuard {
    limit: u32,
    channels: HashMap<ChannelId, Count>,
    bots: HashSet<UserId>,
}

#[derive(Debug, Default)]
struct Count {
    posts: u32,
    reported: bool,
}

impl LoopGuard {
    /// Creates a guard with a limit; 0 allows everything.
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, channels: HashMap::new(), bots: HashSet::new() }
    }

    /// Returns the limit.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Changes the limit. Counts are kept.
    pub(crate) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// Counts a post that a hosted bot is about to make.
    pub(crate) fn record_post(&mut self, channel: &ChannelId, bot: &UserId, is_answer: bool) -> LoopVerdict {
        if self.limit == 0 {
            return LoopVerdict::Allow;
        }
        self.bots.insert(bot.clone());
        if self.channels.len() >= MOST_CHANNELS && !self.channels.contains_key(channel) {
            self.channels.clear();
        }
        let count = self.channels.entry(channel.clone()).or_default();
        if is_answer && count.posts >= self.limit {
            return LoopVerdict::Refuse { first: !std::mem::replace(&mut count.reported, true) };
        }
        count.posts = count.posts.saturating_add(1);
        LoopVerdict::Allow
    }

    /// Removes a counted post that was not made.
    pub(crate) fn undo(&mut self, channel: &ChannelId) {
        if let Some(count) = self.channels.get_mut(channel) {
            count.posts = count.posts.saturating_sub(1);
        }
    }

    /// Records a delivered post: one by any other user resets the channel's count.
    pub(crate) fn post_received(&mut self, channel: &ChannelId, author: &UserId) {
        if !self.bots.contains(author) {
            self.channels.remove(channel);
        }
    }

    /// True if the channel has a count.
    pub(crate) fn is_counting(&self, channel: &ChannelId) -> bool {
        self.channels.contains_key(channel)
    }

    /// Returns the number of channels with a count.
    pub(crate) fn channel_count(&self) -> usize {
        self.channels.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn replies_stop_at_the_limit_until_another_user_posts() {
        let (town, other) = (ChannelId::from("town"), ChannelId::from("other"));
        let [ping, echo, ana] = ["ping", "echo", "ana"].map(UserId::from);
        let mut guard = LoopGuard::new(3);
        assert_eq!(guard.record_post(&town, &ping, false), LoopVerdict::Allow);
        assert_eq!(guard.record_post(&town, &echo, true), LoopVerdict::Allow);
        assert_eq!(guard.record_post(&town, &ping, true), LoopVerdict::Allow);
        assert_eq!(guard.record_post(&town, &echo, true), LoopVerdict::Refuse { first: true });
        guard.post_received(&town, &ping);
        assert_eq!(
            guard.record_post(&town, &echo, true),
            LoopVerdict::Refuse { first: false },
            "reported once"
        );
        assert_eq!(guard.record_post(&other, &echo, true), LoopVerdict::Allow, "another channel");
        assert_eq!(
            guard.record_post(&town, &ping, false),
            LoopVerdict::Allow,
            "a post that is not an answer"
        );
        guard.post_received(&town, &ana);
        assert_eq!(guard.record_post(&town, &echo, true), LoopVerdict::Allow);
        guard.undo(&town);
        for _ in 0..3 {
            assert_eq!(guard.record_post(&town, &echo, true), LoopVerdict::Allow);
        }
        assert_eq!(guard.record_post(&town, &echo, true), LoopVerdict::Refuse { first: true });
    }

    proptest! {
        /// In any order of posts, no more consecutive answers than the limit are allowed.
        #[test]
        fn never_more_in_a_row_than_the_limit(
            limit in 1u32..5,
            moves in proptest::collection::vec((0u8..3, 0u8..2), 0..200),
        ) {
            let mut guard = LoopGuard::new(limit);
            let mut rows = [0u32; 2];
            for (user_index, channel_index) in moves {
                let channel = ChannelId::from(["town", "other"][usize::from(channel_index)]);
                let user = UserId::from(["ping", "echo", "ana"][usize::from(user_index)]);
                let row = &mut rows[usize::from(channel_index)];
                if user_index == 2 {
                    guard.post_received(&channel, &user);
                    *row = 0;
                } else if guard.record_post(&channel, &user, true) == LoopVerdict::Allow {
                    *row += 1;
                    guard.post_received(&channel, &user);
                }
                prop_assert!(*row <= limit);
            }
        }
    }
}
