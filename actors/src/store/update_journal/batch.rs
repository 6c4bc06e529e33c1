//! The encoding of a row of the journal.
//!
//! Accounts in the same channel acknowledge the same posts at the same time: each text and each post is written once per
//! row, and entries refer to it by its index.

use std::collections::HashMap;

use crate::model::{AccountName, ChannelId, ChannelUpdate, PostId, PostsUpdate};
use serde::{Deserialize, Serialize};

use super::Updates;
use crate::store::{
    error::Fault,
    rows::{decode, encode},
};

/// The updates of a transaction, to be encoded.
#[derive(Debug, Default)]
pub(super) struct Batch {
    row: Row,
    texts: HashMap<Box<str>, u32>,
    posts: HashMap<(i64, u32), u32>,
}

/// A row of the journal.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Row {
    texts: Vec<Box<str>>,
    /// Times and indices of texts.
    posts: Vec<(i64, u32)>,
    accounts: Vec<AccountEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct AccountEntry {
    account: u32,
    server_time: Option<i64>,
    channels: Vec<ChannelEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ChannelEntry {
    channel: u32,
    anchor_at: i64,
    anchor: Option<u32>,
    seen_until: i64,
    edited_until: i64,
    left: bool,
    joining: bool,
    hole: bool,
    since: PostsEntry,
    edits: PostsEntry,
    beyond: PostsEntry,
    deleted: Vec<u32>,
    forgotten_deletions: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct PostsEntry {
    removed_until: Option<u32>,
    added: Vec<u32>,
}

impl Batch {
    pub(super) fn add(&mut self, account: &AccountName, updates: &Updates) {
        if updates.is_empty() {
            return;
        }
        let channels = updates.channels.iter().map(|(channel, update)| self.channel_entry(channel, update));
        let channels = channels.collect();
        let account = self.text(account.as_str());
        self.row.accounts.push(AccountEntry { account, server_time: updates.server_time, channels });
    }

    /// Returns the encoded row, if there are any updates, and starts the next.
    pub(super) fn take(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let Self { row, .. } = std::mem::take(self);
        if row.accounts.is_empty() { Ok(None) } else { encode(&row).map(Some) }
    }

    fn channel_entry(&mut self, channel: &ChannelId, update: &ChannelUpdate) -> ChannelEntry {
        ChannelEntry {
            channel: self.text(channel.as_str()),
            anchor_at: update.anchor_at,
            anchor: update.anchor.as_ref().map(|anchor| self.text(anchor.as_str())),
            seen_until: update.seen_until,
            edited_until: update.edited_until,
            left: update.left,
            joining: update.joining,
            hole: update.hole,
            since: self.posts_entry(&update.since),
            edits: self.posts_entry(&update.edits),
            beyond: self.posts_entry(&update.beyond),
            deleted: update.deleted.iter().map(|post| self.text(post.as_str())).collect(),
            forgotten_deletions: u32::try_from(update.forgotten_deletions).unwrap_or(u32::MAX),
        }
    }

    fn posts_entry(&mut self, update: &PostsUpdate) -> PostsEntry {
        PostsEntry {
            removed_until: update.removed_until.as_ref().map(|post| self.post(post)),
            added: update.added.iter().map(|post| self.post(post)).collect(),
        }
    }

    fn post(&mut self, (time, id): &(i64, PostId)) -> u32 {
        let post = (*time, self.text(id.as_str()));
        let next = index(self.row.posts.len());
        *self.posts.entry(post).or_insert_with(|| {
            self.row.posts.push(post);
            next
        })
    }

    fn text(&mut self, text: &str) -> u32 {
        if let Some(index) = self.texts.get(text) {
            return *index;
        }
        let next = index(self.row.texts.len());
        self.row.texts.push(text.into());
        self.texts.insert(text.into(), next);
        next
    }
}

/// Converts an index: four thousand million texts do not fit into memory.
fn index(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Decodes a row into the updates of each account.
pub(super) fn read(number: u64, row: &[u8]) -> Result<Vec<(AccountName, Updates)>, Fault> {
    let malformed =
        |cause: &str| Fault::Malformed(format!("row {number} of the journal cannot be read: {cause}"));
    let row: Row = decode(row).map_err(|cause| malformed(&cause))?;
    let entries = row.accounts.iter().map(|entry| row.account_updates(entry));
    entries.collect::<Option<_>>().ok_or_else(|| malformed("an index points nowhere"))
}

impl Row {
    fn account_updates(&self, entry: &AccountEntry) -> Option<(AccountName, Updates)> {
        let account = AccountName::new(self.text(entry.account)?).ok()?;
        let channels = entry.channels.iter().map(|entry| self.channel_update(entry));
        let channels = channels.collect::<Option<_>>()?;
        Some((account, Updates { server_time: entry.server_time, channels }))
    }

    fn channel_update(&self, entry: &ChannelEntry) -> Option<(ChannelId, ChannelUpdate)> {
        let update = ChannelUpdate {
            anchor_at: entry.anchor_at,
            anchor: match entry.anchor {
                Some(anchor) => Some(self.text(anchor)?.into()),
                None => None,
            },
            seen_until: entry.seen_until,
            edited_until: entry.edited_until,
            left: entry.left,
            joining: entry.joining,
            hole: entry.hole,
            since: self.posts_update(&entry.since)?,
            edits: self.posts_update(&entry.edits)?,
            beyond: self.posts_update(&entry.beyond)?,
            deleted: entry
                .deleted
                .iter()
                .map(|post| Some(self.text(*post)?.into()))
                .collect::<Option<_>>()?,
            forgotten_deletions: usize::try_from(entry.forgotten_deletions).ok()?,
        };
        Some((self.text(entry.channel)?.into(), update))
    }

    fn posts_update(&self, entry: &PostsEntry) -> Option<PostsUpdate> {
        let removed_until = match entry.removed_until {
            Some(post) => Some(self.post(post)?),
            None => None,
        };
        let added = entry.added.iter().map(|post| self.post(*post)).collect::<Option<_>>()?;
        Some(PostsUpdate { removed_until, added })
    }

    fn post(&self, index: u32) -> Option<(i64, PostId)> {
        let (time, id) = self.posts.get(usize::try_from(index).ok()?)?;
        Some((*time, self.text(*id)?.into()))
    }

    fn text(&self, index: u32) -> Option<&str> {
        self.texts.get(usize::try_from(index).ok()?).map(|text| &**text)
    }
}
