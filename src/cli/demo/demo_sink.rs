use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use futures_util::FutureExt as _;
use matterhost_actors::{
    model::Event,
    ports::{Delivered, EventSink, Outcome},
};

/// A sink that counts the posts which the sink behind it has acknowledged.
pub(super) struct DemoSink {
    sink: Arc<dyn EventSink>,
    posts: Arc<AtomicUsize>,
}

impl DemoSink {
    pub(super) fn new(sink: Arc<dyn EventSink>) -> Self {
        Self { sink, posts: Arc::default() }
    }

    /// Returns the number of posts acknowledged so far, duplicates included.
    pub(super) fn posts(&self) -> usize {
        self.posts.load(Relaxed)
    }
}

impl EventSink for DemoSink {
    fn names(&self) -> Arc<[Arc<str>]> {
        self.sink.names()
    }

    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        let delivered = self.sink.deliver(event);
        if event.body.post().is_none() {
            return delivered;
        }
        let posts = Arc::clone(&self.posts);
        let count = move |outcome: &Outcome| {
            posts.fetch_add(usize::from(matches!(outcome, Outcome::Acknowledged)), Relaxed);
        };
        match delivered {
            Delivered::Now(outcome) => {
                count(&outcome);
                Delivered::Now(outcome)
            }
            Delivered::Later(outcome) => Delivered::Later(outcome.inspect(count).boxed()),
        }
    }
}
