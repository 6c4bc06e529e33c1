use std::collections::VecDeque;

use crate::model::{Change, IdSet, PostId};

/// A resume repeats up to 128 sent events (fact 10), some of them older than any overlap.
const MOST: usize = 256;

/// The last admitted posts and edits of all channels. Deletions are known by their channels, whatever their time.
#[derive(Debug, Default)]
pub(super) struct RecentChanges {
    known: IdSet<Key>,
    order: VecDeque<Key>,
}

/// A post, with the time of its edit if it was edited.
type Key = (PostId, Option<i64>);

impl RecentChanges {
    pub(super) fn has_post(&self, id: &PostId) -> bool {
        self.known.contains(&(id.clone(), None))
    }

    /// Adds a change. Returns false if it is there already.
    pub(super) fn add(&mut self, change: &Change) -> bool {
        let Some(key) = key(change) else { return true };
        if !self.known.insert(key.clone()) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Removes a change that was not acknowledged and must be delivered again.
    pub(super) fn forget(&mut self, change: &Change) {
        if let Some(key) = key(change) {
            self.known.remove(&key);
        }
    }
}

fn key(change: &Change) -> Option<Key> {
    match change {
        Change::Posted(post) => Some((post.id.clone(), None)),
        Change::Edited { id, edit_at } => Some((id.clone(), Some(*edit_at))),
        Change::Deleted { .. } | Change::Left => None,
    }
}
