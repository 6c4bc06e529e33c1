//! What a bot of the demo hears.

use std::{sync::Arc, time::Instant};

use matterhost_actors::{
    model::Event,
    ports::{Delivered, EventSink, Outcome},
};
use tokio::{sync::watch, time::timeout_at};

/// What the last post of a demo says.
pub(super) const LAST_WORD: &str = "Good night, bots.";

/// A sink that counts posts, and knows the last one by its text.
pub(super) struct Ears {
    heard: watch::Sender<Heard>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    posts: u64,
    last_word: bool,
}

impl Default for Ears {
    fn default() -> Self {
        Self { heard: watch::Sender::new(Heard::default()) }
    }
}

impl Ears {
    /// Posts heard so far.
    pub(super) fn posts(&self) -> u64 {
        self.heard.borrow().posts
    }

    /// Waits for the last word. Says whether it came in time.
    pub(super) async fn heard_last_word(&self, deadline: Instant) -> bool {
        let mut heard = self.heard.subscribe();
        timeout_at(deadline.into(), heard.wait_for(|heard| heard.last_word))
            .await
            .is_ok_and(|heard| heard.is_ok())
    }
}

impl EventSink for Ears {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if &*event.body.event == "posted" {
            let last_word = event.body.data.contains(LAST_WORD);
            self.heard.send_modify(|heard| {
                heard.posts += 1;
                heard.last_word |= last_word;
            });
        }
        Delivered::Now(Outcome::Acknowledged)
    }
}
