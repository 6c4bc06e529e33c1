//! What a bot of the demo hears.

use std::{sync::Arc, time::Instant};

use matterhost_actors::{
    model::Event,
    ports::{Delivered, EventSink, Outcome},
};
use tokio::{sync::watch, time::timeout_at};

/// A sink that counts posts.
pub(super) struct CountingSink {
    posts: watch::Sender<usize>,
}

impl Default for CountingSink {
    fn default() -> Self {
        Self { posts: watch::Sender::new(0) }
    }
}

impl CountingSink {
    /// Posts heard so far, each as often as it came.
    pub(super) fn posts(&self) -> usize {
        *self.posts.borrow()
    }

    /// Waits until so many posts were heard, or until the deadline.
    pub(super) async fn wait_for_posts(&self, posts: usize, deadline: Instant) {
        let mut heard = self.posts.subscribe();
        // Whether it was in time is read from the count.
        let _ = timeout_at(deadline.into(), heard.wait_for(|heard| *heard >= posts)).await;
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
