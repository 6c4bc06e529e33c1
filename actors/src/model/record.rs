//! What is kept of an account when its host ends: plain values, as a store writes and reads them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ChannelId, PostId, UserId};

/// What is kept of one account, or what has changed of it: a store puts changes on what it has, channel by channel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Records {
    /// The account itself; none before its first Connection, or where it has not changed.
    pub account: Option<AccountRecord>,
    /// Its channels.
    pub channels: BTreeMap<ChannelId, ChannelRecord>,
}

/// What is kept of an account besides its channels.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountRecord {
    /// The user that its token named when it began.
    pub user: Option<UserId>,
    /// The last baseline, in server milliseconds: if the fresh one differs, there is no resume.
    pub baseline: Option<i64>,
    /// Where its last connection may be taken up again; kept by a graceful stop alone.
    pub resume: Option<ResumePoint>,
    /// The newest server time that was seen at the last complete listing, in milliseconds; none before the first.
    pub listed_at: Option<i64>,
    /// The newest server time seen at all, in milliseconds.
    pub server_time: i64,
}

/// Where a lost socket may be taken up again (fact 10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumePoint {
    /// The `connection_id` that hello gave.
    pub connection_id: Box<str>,
    /// The next sequence number wanted: one more than the last seen.
    pub next_seq: u64,
}

/// What is kept of a channel. All times are server milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelRecord {
    /// The time of the anchor: paging begins after it.
    pub anchor_at: i64,
    /// The post that is the anchor; none before one was acknowledged.
    pub anchor: Option<PostId>,
    /// Posts acknowledged since, each with its time.
    pub since: Vec<(i64, PostId)>,
    /// News is what lies past this.
    pub seen_until: i64,
    /// Edits and deletions are wanted from here on.
    pub edited_until: i64,
    /// Edits acknowledged since, each with its time.
    pub edits: Vec<(i64, PostId)>,
    /// Posts whose deletion was acknowledged lately.
    pub deleted: Vec<PostId>,
    /// The account was seen to leave the channel.
    pub left: bool,
    /// The account came into the channel, and nothing of it was acknowledged since that is old enough for an anchor.
    pub joining: bool,
}

impl Records {
    /// Whether nothing is kept, or nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.account.is_none() && self.channels.is_empty()
    }

    /// Puts later changes on top.
    pub fn put(&mut self, changes: Self) {
        self.account = changes.account.or(self.account.take());
        self.channels.extend(changes.channels);
    }
}
