//! A sink that counts posts.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, Thread},
};

use matterhost_actors::{
    model::{Event, EventBody},
    ports::{Delivered, EventSink, Outcome},
};

/// A sink that counts posts and wakes the thread that waits for a number of them.
pub(crate) struct CountingSink {
    read: fn(&EventBody),
    posts: AtomicU64,
    wanted: AtomicU64,
    waits: Thread,
}

impl CountingSink {
    /// Creates a sink for the calling thread, with what it does with each post.
    pub(crate) fn new(read: fn(&EventBody)) -> Self {
        let (posts, wanted) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
        Self { read, posts, wanted, waits: thread::current() }
    }

    /// Waits until the total number of posts is reached. Call this on the thread that created the sink.
    pub(crate) fn wait_for(&self, posts: u64) {
        self.wanted.store(posts, Ordering::SeqCst);
        while self.posts.load(Ordering::SeqCst) < posts {
            thread::park();
        }
    }

    /// Counts one post.
    pub(crate) fn count(&self) {
        if self.posts.fetch_add(1, Ordering::SeqCst) + 1 >= self.wanted.load(Ordering::SeqCst) {
            self.waits.unpark();
        }
    }
}

impl EventSink for CountingSink {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if &*event.body.event == "posted" {
            black_box(event.body.post.as_deref());
            (self.read)(&event.body);
            self.count();
        }
        Delivered::Now(Outcome::Acknowledged)
    }
}
