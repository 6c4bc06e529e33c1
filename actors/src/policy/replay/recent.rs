use std::collections::{HashSet, VecDeque};

use crate::model::PostId;

/// A resume repeats up to 128 sent events (fact 10), some of them older than any overlap.
const MOST: usize = 256;

/// The ids of the last admitted posts of all channels.
#[derive(Debug, Default)]
pub(super) struct RecentPosts {
    ids: HashSet<PostId>,
    order: VecDeque<(i64, PostId)>,
    /// The time after which every admitted post is still known here; none before the first listing.
    complete_since: Option<i64>,
}

impl RecentPosts {
    pub(super) fn has(&self, id: &PostId) -> bool {
        self.ids.contains(id)
    }

    /// Records that no post later than the time has been admitted, unless a time is known already.
    pub(super) fn begin(&mut self, time: i64) {
        self.complete_since.get_or_insert(time);
    }

    /// True if a post of this time that is not known here was certainly never admitted.
    pub(super) fn is_complete_at(&self, create_at: i64) -> bool {
        self.complete_since.is_some_and(|since| create_at > since)
    }

    pub(super) fn add(&mut self, create_at: i64, id: PostId) {
        self.ids.insert(id.clone());
        self.order.push_back((create_at, id));
        if self.order.len() > MOST
            && let Some((create_at, oldest)) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
            self.complete_since = self.complete_since.map(|since| since.max(create_at));
        }
    }

    /// Removes a post that was not acknowledged and must be delivered again.
    pub(super) fn forget(&mut self, id: &PostId) {
        self.ids.remove(id);
    }
}
