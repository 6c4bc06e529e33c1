use std::{sync::Arc, time::Instant};

use matterhost_actors::{
    model::Event,
    ports::{Delivered, EventSink, Outcome},
};
use tokio::{sync::watch, time::timeout_at};

/// A sink that counts the posts that a bot receives.
pub(super) struct CountingSink {
    posts: watch::Sender<usize>,
}

impl Default for CountingSink {
    fn default() -> Self {
        Self { posts: watch::Sender::new(0) }
    }
}

impl CountingSink {
    /// Returns the number of posts received so far, duplicates included.
    pub(super) fn posts(&self) -> usize {
        *self.posts.borrow()
    }

    /// Waits until `posts` posts were received, or until the deadline.
    pub(super) async fn wait_for_posts(&self, posts: usize, deadline: Instant) {
        let mut received = self.posts.subscribe();
        // The caller compares the count, so a timeout needs no answer here.
        let _ = timeout_at(deadline.into(), received.wait_for(|received| *received >= posts)).await;
    }
}

impl EventSink for CountingSink {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if event.body.post().is_some() {
            self.posts.send_modify(|posts| *posts += 1);
        }
        Delivered::Now(Outcome::Acknowledged)
    }
}
