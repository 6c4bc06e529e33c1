//! Posts that were taken lately, whatever their channel.

use std::collections::{HashSet, VecDeque};

use crate::model::PostId;

/// A resume brings up to 128 sent events again (fact 10), some of them older than any overlap.
const MOST: usize = 256;

/// The ids of the last posts that were taken.
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

    /// It was not acknowledged, and is to come again.
    pub(super) fn forget(&mut self, id: &PostId) {
        self.ids.remove(id);
    }
}
