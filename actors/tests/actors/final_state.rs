//! The end of an account's Delivery, after its last state is named: what is not in that state comes again.

use std::sync::Arc;

use futures_util::future::FutureExt as _;
use matterhost_actors::{
    hosting::Shutdown,
    model::{Event, Fact},
    ports::{CursorStore as _, Delivered, EventSink, EventStorage, Outcome},
};
use parking_lot::Mutex;

use crate::harness::{SECOND, name, run_paused, settings, unlimited_rate};

/// A sink whose handlers take a second with each reaction, and keep the number of reactions that they were given.
#[derive(Default)]
struct SlowCounter(Arc<Mutex<u32>>);

impl EventSink for SlowCounter {
    fn deliver(&self, _: &Arc<Event>) -> Delivered {
        Delivered::Now(Outcome::Acknowledged)
    }

    fn deliver_with(&self, event: &Arc<Event>, storage: &EventStorage) -> Delivered {
        if &*event.body.event != "reaction_added" {
            return self.deliver(event);
        }
        *self.0.lock() += 1;
        let (storage, count) = (storage.clone(), self.0.lock().to_string());
        let handling = async move {
            tokio::time::sleep(SECOND).await;
            storage.put("count", count).unwrap();
            Outcome::Acknowledged
        };
        Delivered::Later(handling.boxed())
    }
}

/// The resume point names both reactions as not handled, so that the next process gets both.
#[test]
fn what_ends_after_the_last_state_is_named_is_not_stored_and_nothing_begins() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        let sink = SlowCounter::default();
        let begun = sink.0.clone();
        harness.host_with("bot", Arc::new(sink)).await.unwrap();
        harness.wait_until_ready("bot").await;
        for _ in 0..2 {
            harness.fake.server_socket("bot").event("reaction_added", "c", "{}");
        }
        harness.advance(SECOND / 2).await;
        assert_eq!(*begun.lock(), 1, "the second one waits for the first");
        // The last state waits for the disk, until the first handler has returned.
        harness.store.set_failing(true);
        let stopping = actix::spawn(harness.supervisor.send(Shutdown { deadline: SECOND / 10 }));
        harness.wait_for("bot", |fact| matches!(fact, Fact::StoreFailed { .. })).await;
        harness.advance(SECOND).await;
        harness.store.set_failing(false);
        stopping.await.unwrap().unwrap();
        assert_eq!(*begun.lock(), 1, "a handler began");
        let stored = harness.store.load(&name("bot")).await.unwrap();
        assert!(stored.account.unwrap().resume.is_some());
        assert!(stored.values.is_empty(), "{:?}", stored.values);
    });
}
