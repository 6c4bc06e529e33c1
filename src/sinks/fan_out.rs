//! Delivery to several sinks of one account. An event is acknowledged once all of them have acknowledged it.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use matterhost_actors::{
    model::{ChannelId, Event},
    ports::{Delivered, EventSink, EventStorage, Outcome},
};
use parking_lot::Mutex;

/// A sink that delivers each event to several others. A sink that has taken an event does not get it again while
/// another is being retried.
pub(super) struct FanOut {
    sinks: Vec<NamedSink>,
    pending: PendingEvents,
}

/// A sink and its name. A sink that replaces another takes over its name and the record of the events it has taken.
pub(super) type NamedSink = (Arc<str>, Arc<dyn EventSink>);

/// The events that some sinks have not taken yet: at most one per channel, because an account delivers a channel's
/// events one at a time. It outlives changes of the account's sinks.
#[derive(Clone, Default)]
pub(super) struct PendingEvents(Arc<Mutex<HashMap<ChannelId, PartialDelivery>>>);

/// The progress of one event.
struct PartialDelivery {
    /// Keeps the allocation, so that the address, which identifies the event, is not reused.
    event: Weak<Event>,
    taken: Vec<Arc<str>>,
    /// The values that the handlers of these sinks changed.
    changes: Vec<EventStorage>,
    /// The cause given by the first sink that rejected the event.
    rejected: Option<String>,
}

/// A sink that has an event, by name, and the storage of its handler.
type Answering = (Arc<str>, EventStorage);

/// One attempt to deliver an event to the sinks that have not taken it.
struct Attempt {
    pending: PendingEvents,
    event: Arc<Event>,
    storage: EventStorage,
    outcomes: Outcomes,
}

/// The outcomes of one attempt, apart from those recorded in [`PendingEvents`].
#[derive(Default)]
struct Outcomes {
    retry: Option<(Duration, String)>,
    /// True if a sink accepts nothing at all.
    blocks_all: bool,
    broken: Option<String>,
}

impl FanOut {
    pub(super) fn new(sinks: Vec<NamedSink>, pending: PendingEvents) -> Self {
        Self { sinks, pending }
    }
}

impl EventSink for FanOut {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        self.deliver_with(event, &EventStorage::unavailable())
    }

    fn deliver_with(&self, event: &Arc<Event>, storage: &EventStorage) -> Delivered {
        let attempt = Attempt {
            pending: self.pending.clone(),
            event: Arc::clone(event),
            storage: storage.clone(),
            outcomes: Outcomes::default(),
        };
        attempt.deliver_to(&self.sinks)
    }
}

impl Attempt {
    fn deliver_to(mut self, sinks: &[NamedSink]) -> Delivered {
        let later = FuturesUnordered::<BoxFuture<'static, (Answering, Outcome)>>::new();
        for (name, sink) in self.pending.sinks_missing(&self.event, sinks) {
            // Each handler changes values apart from the others: one may accept the event and another fail.
            let answering = (Arc::clone(name), self.storage.fork());
            match sink.deliver_with(&self.event, &answering.1) {
                Delivered::Now(outcome) => self.record(answering, outcome),
                Delivered::Later(outcome) => {
                    later.push(outcome.map(move |outcome| (answering, outcome)).boxed());
                }
            }
        }
        if later.is_empty() {
            return Delivered::Now(self.combine());
        }
        Delivered::Later(self.collect(later).boxed())
    }

    async fn collect(
        mut self,
        mut later: FuturesUnordered<BoxFuture<'static, (Answering, Outcome)>>,
    ) -> Outcome {
        while let Some((answering, outcome)) = later.next().await {
            self.record(answering, outcome);
        }
        self.combine()
    }

    fn record(&mut self, (name, storage): Answering, outcome: Outcome) {
        let outcomes = &mut self.outcomes;
        outcomes.blocks_all |= matches!(outcome, Outcome::Retry { .. });
        match outcome {
            Outcome::Acknowledged => self.pending.mark_taken(&self.event, &name, Ok(storage)),
            Outcome::Rejected { cause } => self.pending.mark_taken(&self.event, &name, Err(cause)),
            Outcome::Retry { after, cause } | Outcome::Hold { after, cause } => {
                if outcomes.retry.as_ref().is_none_or(|(longest, _)| *longest < after) {
                    outcomes.retry = Some((after, cause));
                }
            }
            Outcome::Broken { cause } => outcomes.broken = Some(cause),
        }
    }

    /// Returns the worst outcome: broken, then retry or hold with the longest delay, then rejected.
    fn combine(self) -> Outcome {
        let Outcomes { retry, blocks_all, broken } = self.outcomes;
        match (broken, retry) {
            (Some(cause), _) => Outcome::Broken { cause },
            (None, Some((after, cause))) if blocks_all => Outcome::Retry { after, cause },
            (None, Some((after, cause))) => Outcome::Hold { after, cause },
            (None, None) => match self.pending.finish(&self.event, &self.storage) {
                Some(cause) => Outcome::Rejected { cause },
                None => Outcome::Acknowledged,
            },
        }
    }
}

impl PendingEvents {
    /// Returns the sinks that have not taken the event yet.
    fn sinks_missing<'a>(&self, event: &Arc<Event>, sinks: &'a [NamedSink]) -> Vec<&'a NamedSink> {
        let mut pending = self.0.lock();
        let fresh = || PartialDelivery::of(event);
        let partial = pending.entry(event.body.channel_id.clone()).or_insert_with(fresh);
        if !partial.matches(event) {
            // The account stopped delivering the previous event of the channel.
            *partial = fresh();
        }
        sinks.iter().filter(|(name, _)| !partial.taken.contains(name)).collect()
    }

    /// Records that a sink has answered for good: the values that its handler changed, or the cause of its rejection.
    fn mark_taken(&self, event: &Arc<Event>, name: &Arc<str>, answer: Result<EventStorage, String>) {
        let mut pending = self.0.lock();
        if let Some(partial) =
            pending.get_mut(&event.body.channel_id).filter(|partial| partial.matches(event))
        {
            partial.taken.push(Arc::clone(name));
            match answer {
                Ok(storage) => partial.changes.push(storage),
                Err(cause) => partial.rejected = partial.rejected.take().or(Some(cause)),
            }
        }
    }

    /// Forgets the event, and hands over the values that were changed. Returns the cause if a sink rejected it.
    fn finish(&self, event: &Arc<Event>, storage: &EventStorage) -> Option<String> {
        let mut pending = self.0.lock();
        pending.get(&event.body.channel_id).filter(|partial| partial.matches(event))?;
        let PartialDelivery { changes, rejected, .. } = pending.remove(&event.body.channel_id)?;
        for changed in &changes {
            storage.adopt(changed);
        }
        rejected
    }
}

impl PartialDelivery {
    fn of(event: &Arc<Event>) -> Self {
        Self { event: Arc::downgrade(event), taken: Vec::new(), changes: Vec::new(), rejected: None }
    }

    fn matches(&self, event: &Arc<Event>) -> bool {
        std::ptr::eq(self.event.as_ptr(), Arc::as_ptr(event))
    }
}

#[cfg(test)]
mod tests;
