//! Changes to the stored records of an account. They are as large as what came, not as large as what is kept.

use std::collections::BTreeMap;

use super::{AccountRecord, ChannelRecord, ChannelValues, Records, ValueChanges};
use crate::model::{ChannelId, PostId};

/// Changes to the stored state of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The change of the account itself, if there is one.
    pub account: Option<AccountChange>,
    /// The changes of its channels.
    pub channels: BTreeMap<ChannelId, ChannelChange>,
    /// The changes of its bot's values by channel; none for a store that keeps no values.
    pub values: BTreeMap<ChannelId, ValueChanges>,
}

/// A change of an account's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountChange {
    /// Replaces the record.
    Record(AccountRecord),
    /// Sets the newest server time in the stored record, in milliseconds.
    ServerTime(i64),
}

/// A change of a channel's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelChange {
    /// Replaces the record.
    Record(Box<ChannelRecord>),
    /// Updates the stored record.
    Update(Box<ChannelUpdate>),
    /// Removes the record, if there is one: the channel is forgotten.
    Removed,
}

/// The difference between two states of a channel's record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelUpdate {
    /// The new time of the anchor.
    pub anchor_at: i64,
    /// The new anchor.
    pub anchor: Option<PostId>,
    /// The new time up to which everything has been seen.
    pub seen_until: i64,
    /// The new time after which edits and deletions are still missing.
    pub edited_until: i64,
    /// The new membership: true if the account has left.
    pub left: bool,
    /// True if the account joined and has no anchor yet.
    pub joining: bool,
    /// True if a part of the channel could not be read.
    pub hole: bool,
    /// The change of the posts since the anchor.
    pub since: PostsUpdate,
    /// The change of the edits.
    pub edits: PostsUpdate,
    /// The change of the posts after the part that could not be read.
    pub beyond: PostsUpdate,
    /// Posts whose deletion was acknowledged, to append.
    pub deleted: Vec<PostId>,
    /// The number of deletions to forget after that, the oldest first.
    pub forgotten_deletions: usize,
}

/// The change of a set of posts with their times: some are removed from its beginning, then others are added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostsUpdate {
    /// The last post to remove, in order of time and id.
    pub removed_until: Option<(i64, PostId)>,
    /// The added posts, in any order.
    pub added: Vec<(i64, PostId)>,
}

impl From<Records> for Changes {
    fn from(records: Records) -> Self {
        let replace = |(channel, record)| (channel, ChannelChange::Record(Box::new(record)));
        Self {
            account: records.account.map(AccountChange::Record),
            channels: records.channels.into_iter().map(replace).collect(),
            values: records.values.into_iter().map(all_put).collect(),
        }
    }
}

/// Returns the changes that put all values of a channel.
fn all_put((channel, values): (ChannelId, ChannelValues)) -> (ChannelId, ValueChanges) {
    (channel, values.into_iter().map(|(key, value)| (key, Some(value))).collect())
}

impl Changes {
    /// True if nothing changes.
    pub fn is_empty(&self) -> bool {
        self.account.is_none() && self.channels.is_empty() && self.values.is_empty()
    }
}

impl ChannelUpdate {
    /// Appends a later update of the same channel.
    pub fn merge(&mut self, later: Self) {
        let mut merged = Self { deleted: std::mem::take(&mut self.deleted), ..later };
        merged.deleted.extend(later.deleted);
        merged.forgotten_deletions += self.forgotten_deletions;
        for (earlier, later) in [
            (&mut self.since, &mut merged.since),
            (&mut self.edits, &mut merged.edits),
            (&mut self.beyond, &mut merged.beyond),
        ] {
            later.prepend(std::mem::take(earlier));
        }
        *self = merged;
    }
}

impl PostsUpdate {
    fn prepend(&mut self, mut earlier: Self) {
        if let Some(last) = &self.removed_until {
            earlier.added.retain(|post| post > last);
        }
        earlier.added.append(&mut self.added);
        self.added = earlier.added;
        self.removed_until = self.removed_until.take().max(earlier.removed_until);
    }

    /// Applies the change to sorted posts.
    fn apply(self, posts: &mut Vec<(i64, PostId)>) {
        if let Some(last) = &self.removed_until {
            posts.drain(..posts.partition_point(|post| post <= last));
        }
        if !self.added.is_empty() {
            posts.extend(self.added);
            posts.sort_unstable();
            posts.dedup();
        }
    }
}

impl ChannelRecord {
    /// Applies an update.
    pub fn apply(&mut self, update: ChannelUpdate) {
        self.anchor_at = update.anchor_at;
        self.anchor = update.anchor;
        self.seen_until = update.seen_until;
        self.edited_until = update.edited_until;
        (self.left, self.joining, self.hole) = (update.left, update.joining, update.hole);
        update.since.apply(&mut self.since);
        update.edits.apply(&mut self.edits);
        update.beyond.apply(&mut self.beyond);
        self.deleted.extend(update.deleted);
        self.deleted.drain(..update.forgotten_deletions.min(self.deleted.len()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn posts(numbers: &[u8]) -> Vec<(i64, PostId)> {
        numbers.iter().map(|n| (i64::from(*n), PostId::from(format!("p{n}").as_str()))).collect()
    }

    prop_compose! {
        fn posts_update()(until in proptest::option::of(0u8..40), added in vec(0u8..40, 0..6)) -> PostsUpdate {
            let removed_until = until.and_then(|until| posts(&[until]).pop());
            PostsUpdate { removed_until, added: posts(&added) }
        }
    }

    prop_compose! {
        fn update()(
            since in posts_update(),
            edits in posts_update(),
            beyond in posts_update(),
            deleted in vec(0u8..40, 0..4),
            forgotten_deletions in 0usize..2,
            time in 0i64..100,
            flag in any::<bool>(),
        ) -> ChannelUpdate {
            ChannelUpdate {
                anchor_at: time,
                anchor: flag.then(|| format!("a{time}").as_str().into()),
                seen_until: time + 1,
                edited_until: time + 2,
                left: flag,
                joining: !flag,
                hole: flag,
                since,
                edits,
                beyond,
                // No more are ever forgotten than there are.
                forgotten_deletions: forgotten_deletions.min(deleted.len()),
                deleted: posts(&deleted).into_iter().map(|(_, id)| id).collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn merged_updates_do_what_each_does_in_turn(updates in vec(update(), 1..6), first in vec(0u8..40, 0..20)) {
            let mut one_by_one = ChannelRecord::default();
            PostsUpdate { removed_until: None, added: posts(&first) }.apply(&mut one_by_one.since);
            let mut at_once = one_by_one.clone();
            let mut merged: Option<ChannelUpdate> = None;
            for update in updates {
                one_by_one.apply(update.clone());
                match &mut merged {
                    Some(merged) => merged.merge(update),
                    None => merged = Some(update),
                }
            }
            at_once.apply(merged.unwrap());
            prop_assert_eq!(one_by_one, at_once);
        }
    }
}
