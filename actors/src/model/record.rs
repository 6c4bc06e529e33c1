//! The records that a store keeps of an account: plain values that outlive the process.

mod bot_values;
mod record_changes;

pub(crate) use bot_values::put_values;
pub use bot_values::{ChannelValues, StorageError, ValueChanges};
pub use record_changes::{AccountChange, Changes, ChannelChange, ChannelUpdate, PostsUpdate};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ChannelId, PostId, UserId};

/// The stored state of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Records {
    /// The account itself; none before its first Connection.
    pub account: Option<AccountRecord>,
    /// Its channels.
    pub channels: BTreeMap<ChannelId, ChannelRecord>,
    /// The values that its bot keeps, by channel.
    pub values: BTreeMap<ChannelId, ChannelValues>,
}

/// The stored state of an account, apart from its channels.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountRecord {
    /// The user that owned the token at the account's first Connection.
    pub user: Option<UserId>,
    /// The last baseline, in server milliseconds; a connection is not resumed if the current one differs.
    pub baseline: Option<i64>,
    /// The point at which its last connection can be resumed; saved only by a graceful stop.
    pub resume: Option<ResumePoint>,
    /// The newest server time at the last complete listing, in milliseconds; none before the first.
    pub listed_at: Option<i64>,
    /// The newest server time ever seen, in milliseconds.
    pub server_time: i64,
}

/// The point at which a lost socket can be resumed (fact 10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumePoint {
    /// The `connection_id` from the hello.
    pub connection_id: Box<str>,
    /// The next expected sequence number: one more than the last seen.
    pub next_seq: u64,
    /// The numbers from there on whose events were handled already: the server sends them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handled: Vec<u64>,
}

/// The stored state of a channel. All times are server milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelRecord {
    /// The time of the anchor, after which paging begins.
    pub anchor_at: i64,
    /// The post that is the anchor; none before the first acknowledged one.
    pub anchor: Option<PostId>,
    /// Posts acknowledged since the anchor, each with its time.
    pub since: Vec<(i64, PostId)>,
    /// The time up to which everything has been seen.
    pub seen_until: i64,
    /// The time after which edits and deletions are still missing.
    pub edited_until: i64,
    /// Edits acknowledged since then, each with its time.
    pub edits: Vec<(i64, PostId)>,
    /// Posts whose deletion was acknowledged recently.
    pub deleted: Vec<PostId>,
    /// True if the account was seen to leave the channel.
    pub left: bool,
    /// True if the account joined the channel and has not yet acknowledged a post that is old enough to be an
    /// anchor.
    pub joining: bool,
    /// True if a part of the channel after the anchor could not be read.
    pub hole: bool,
    /// Posts acknowledged after that part, each with its time.
    pub beyond: Vec<(i64, PostId)>,
    /// The time of the first listing in a row that lacked the channel; none if the last one had it.
    pub absent_since: Option<i64>,
}

impl Records {
    /// True if the records hold nothing.
    pub fn is_empty(&self) -> bool {
        self.account.is_none() && self.channels.is_empty() && self.values.is_empty()
    }

    /// Applies later changes. Returns false without changing anything if they update a record that is not here.
    pub fn put(&mut self, changes: Changes) -> bool {
        if !self.has_all_that_is_updated(&changes) {
            return false;
        }
        match changes.account {
            Some(AccountChange::Record(record)) => self.account = Some(record),
            Some(AccountChange::ServerTime(server_time)) => {
                self.account.iter_mut().for_each(|account| account.server_time = server_time);
            }
            None => {}
        }
        for (channel, change) in changes.channels {
            match change {
                ChannelChange::Record(record) => drop(self.channels.insert(channel, *record)),
                ChannelChange::Update(update) => {
                    self.channels.entry(channel).and_modify(|record| record.apply(*update));
                }
                ChannelChange::Removed => drop(self.channels.remove(&channel)),
            }
        }
        for (channel, changes) in changes.values {
            put_values(self.values.entry(channel).or_default(), changes);
        }
        self.values.retain(|_, values| !values.is_empty());
        true
    }

    fn has_all_that_is_updated(&self, changes: &Changes) -> bool {
        let has_account =
            self.account.is_some() || !matches!(changes.account, Some(AccountChange::ServerTime(_)));
        has_account
            && changes.channels.iter().all(|(channel, change)| {
                !matches!(change, ChannelChange::Update(_)) || self.channels.contains_key(channel)
            })
    }
}
