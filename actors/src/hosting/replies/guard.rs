//! The loop guard of one server, between all that post and all that hear.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    mattermost::post_author,
    model::{ChannelId, Event, UserId},
    policy::{LoopGuard, LoopVerdict},
};

/// The loop guard of one server. The lock is held for a look-up, never across a wait.
#[derive(Clone)]
pub(in crate::hosting) struct SharedLoopGuard(Arc<Inner>);

struct Inner {
    guard: Mutex<LoopGuard>,
    /// The channels that it counts in: while there is none, events pass without the lock.
    counting: AtomicUsize,
}

impl SharedLoopGuard {
    pub(in crate::hosting) fn new(limit: u32) -> Self {
        Self(Arc::new(Inner { guard: Mutex::new(LoopGuard::new(limit)), counting: AtomicUsize::new(0) }))
    }

    pub(in crate::hosting) fn set_limit(&self, limit: u32) {
        self.with(|guard| guard.set_limit(limit));
    }

    pub(super) fn limit(&self) -> u32 {
        self.with(|guard| guard.limit())
    }

    pub(super) fn count_post(&self, channel: &ChannelId, bot: &UserId, is_answer: bool) -> LoopVerdict {
        self.with(|guard| guard.record_post(channel, bot, is_answer))
    }

    pub(super) fn undo_post(&self, channel: &ChannelId) {
        self.with(|guard| guard.undo(channel));
    }

    /// An event is handed over. A post by somebody else ends a row; it counts from here, not from when it was heard, so
    /// that answers to what waited are no row.
    pub(in crate::hosting) fn observe_delivery(&self, event: &Event) {
        if self.0.counting.load(Ordering::Relaxed) == 0 || event.body.post().is_none() {
            return;
        }
        let channel = &event.body.channel_id;
        if self.with(|guard| guard.is_counting(channel))
            && let Some(author) = post_author(&event.body)
        {
            self.with(|guard| guard.post_received(channel, &author));
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut LoopGuard) -> T) -> T {
        // A panic while it was held leaves counts that are whole.
        let mut guard = self.0.guard.lock().unwrap_or_else(PoisonError::into_inner);
        let result = f(&mut guard);
        self.0.counting.store(guard.channel_count(), Ordering::Relaxed);
        result
    }
}
