use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    hosting::account_context::unix_ms,
    mattermost::user_act,
    model::{ChannelId, Event, UserId},
    policy::{BotPost, LoopGuard, LoopVerdict, Receipt},
};

/// The loop guard of one server, shared by its accounts. The lock is never held across an await.
#[derive(Clone)]
pub(in crate::hosting) struct SharedLoopGuard(Arc<Inner>);

struct Inner {
    guard: Mutex<LoopGuard>,
    /// The number of channels with a count. While it is 0, events are observed without the lock.
    counting: AtomicUsize,
}

impl SharedLoopGuard {
    /// Creates a guard. In a cluster, it counts the posts of accounts on other members, too.
    pub(in crate::hosting) fn new(limit: u32, is_in_cluster: bool) -> Self {
        let guard = LoopGuard::new(limit);
        let guard = if is_in_cluster { guard.in_cluster() } else { guard };
        Self(Arc::new(Inner { guard: Mutex::new(guard), counting: AtomicUsize::new(0) }))
    }

    pub(in crate::hosting) fn set_limit(&self, limit: u32) {
        self.with(|guard| guard.set_limit(limit));
    }

    pub(super) fn limit(&self) -> u32 {
        self.with(|guard| guard.limit())
    }

    pub(super) fn count_post(&self, post: &BotPost<'_>) -> LoopVerdict {
        self.with(|guard| guard.record_post(post))
    }

    /// Records the time of a post that a hosted bot made, in server milliseconds.
    pub(super) fn post_made(&self, channel: &ChannelId, at: i64) {
        self.with(|guard| guard.post_made(channel, at, Instant::now().into_std()));
    }

    pub(super) fn undo_post(&self, channel: &ChannelId) {
        self.with(|guard| guard.undo(channel));
    }

    /// Observes an event at its delivery: a post, an edit or a reaction by another user ends the channel's row. The delivery
    /// counts, not the receipt, so that answers to queued posts are not taken for a loop.
    pub(in crate::hosting) fn observe_delivery(&self, event: &Event, is_recovered: bool) {
        if self.0.counting.load(Ordering::Relaxed) == 0 {
            return;
        }
        let channel = &event.body.channel_id;
        if self.with(|guard| guard.is_counting(channel))
            && let Some(act) = user_act(&event.body)
        {
            let receipt = Receipt { now: Instant::now().into_std(), is_recovered };
            self.with(|guard| guard.act_received(channel, &act, receipt));
        }
    }

    /// Records that a user called a bot by a slash command, a button, a menu or a dialog.
    pub(in crate::hosting) fn user_called(&self, channel: &ChannelId, user: &UserId, at: SystemTime) {
        if self.0.counting.load(Ordering::Relaxed) > 0 {
            self.with(|guard| guard.call_received(channel, user, unix_ms(at).try_into().unwrap_or(i64::MAX)));
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut LoopGuard) -> T) -> T {
        let mut guard = self.0.guard.lock();
        let result = f(&mut guard);
        self.0.counting.store(guard.channel_count(), Ordering::Relaxed);
        result
    }
}
