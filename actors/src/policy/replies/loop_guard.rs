//! Hosted bots that answer each other for ever.

use std::collections::{HashMap, HashSet};

use crate::model::{ChannelId, UserId};

/// The channels in which posts are counted. Beyond it all counts begin anew: a loop is told a little later.
const MOST_CHANNELS: usize = 10_000;

/// What follows for one post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoopVerdict {
    /// It may be made, and counts.
    Allow,
    /// It is one too many.
    Refuse {
        /// It is the first since somebody else posted: to be told.
        first: bool,
    },
}

/// Counts the posts of one server's hosted bots in each channel, since somebody else posted there.
///
/// An answer beyond the limit is refused. What answers nothing is counted and never refused: a bot that tells the news
/// in a channel where nobody speaks is no loop.
#[derive(Debug)]
pub(crate) struct LoopGuard {
    limit: u32,
    channels: HashMap<ChannelId, Count>,
    bots: HashSet<UserId>,
}

#[derive(Debug, Default)]
struct Count {
    posts: u32,
    told: bool,
}

impl LoopGuard {
    /// A guard that lets so many through; 0 lets all through.
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, channels: HashMap::new(), bots: HashSet::new() }
    }

    /// How many it lets through.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// The operator set another limit. What was counted stays counted.
    pub(crate) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// A hosted bot is about to post.
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
            return LoopVerdict::Refuse { first: !std::mem::replace(&mut count.told, true) };
        }
        count.posts = count.posts.saturating_add(1);
        LoopVerdict::Allow
    }

    /// A post that was counted was not made after all.
    pub(crate) fn undo(&mut self, channel: &ChannelId) {
        if let Some(count) = self.channels.get_mut(channel) {
            count.posts = count.posts.saturating_sub(1);
        }
    }

    /// Somebody's post is handed over.
    pub(crate) fn post_received(&mut self, channel: &ChannelId, author: &UserId) {
        if !self.bots.contains(author) {
            self.channels.remove(channel);
        }
    }

    /// Whether it counts in a channel.
    pub(crate) fn is_counting(&self, channel: &ChannelId) -> bool {
        self.channels.contains_key(channel)
    }

    /// The channels that it counts in.
    pub(crate) fn channel_count(&self) -> usize {
        self.channels.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_end_at_the_limit_until_somebody_else_posts() {
        let (town, other) = (ChannelId::from("town"), ChannelId::from("other"));
        let [ping, echo, ana] = ["ping", "echo", "ana"].map(UserId::from);
        let mut guard = LoopGuard::new(3);
        assert_eq!(guard.record_post(&town, &ping, false), LoopVerdict::Allow);
        assert_eq!(guard.record_post(&town, &echo, true), LoopVerdict::Allow);
        assert_eq!(guard.record_post(&town, &ping, true), LoopVerdict::Allow);
        assert_eq!(guard.record_post(&town, &echo, true), LoopVerdict::Refuse { first: true });
        guard.post_received(&town, &ping);
        assert_eq!(guard.record_post(&town, &echo, true), LoopVerdict::Refuse { first: false }, "told once");
        assert_eq!(guard.record_post(&other, &echo, true), LoopVerdict::Allow, "another channel");
        assert_eq!(guard.record_post(&town, &ping, false), LoopVerdict::Allow, "news are no answer");
        guard.post_received(&town, &ana);
        assert_eq!(guard.record_post(&town, &echo, true), LoopVerdict::Allow);
        guard.undo(&town);
        for _ in 0..3 {
            assert_eq!(guard.record_post(&town, &echo, true), LoopVerdict::Allow);
        }
        assert_eq!(guard.record_post(&town, &echo, true), LoopVerdict::Refuse { first: true });
    }

    proptest! {
        /// Never more answers in a row than the limit, whoever posts in whatever order.
        #[test]
        fn never_more_in_a_row_than_the_limit(
            limit in 1u32..5,
            moves in proptest::collection::vec((0u8..3, 0u8..2), 0..200),
        ) {
            let mut guard = LoopGuard::new(limit);
            let mut rows = [0u32; 2];
            for (who, place) in moves {
                let channel = ChannelId::from(["town", "other"][usize::from(place)]);
                let user = UserId::from(["ping", "echo", "ana"][usize::from(who)]);
                let row = &mut rows[usize::from(place)];
                if who == 2 {
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
