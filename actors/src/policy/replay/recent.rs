use std::collections::{HashSet, VecDeque};

use crate::model::PostId;

/// A resume repeats up to 128 sent events (fact 10), some of them older than any overlap.
const MOST: usize = 256;

/// The ids of the last admitted posts of all channels.
#[derive(Debug, Default)]
pub(super) struct RecentPosts {
    ids: HashSet<PostId>,
    order: VecDeque<PostId>,
}

impl RecentPosts {
    pub(super) fn has(&self, id: &PostId) -> bool {
        self.ids.contains(id)
    }

    pub(super) fn add(&mut self, id: PostId) {
        self.ids.insert(id.clone());
        self.order.push_back(id);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    /// Removes a post that was not acknowledged and must be delivered again.
    pub(super) fn forget(&mut self, id: &PostId) {
        self.ids.remove(id);
    }
}
