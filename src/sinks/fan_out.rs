//! Delivery to several sinks of one account. An event is acknowledged once all of them have acknowledged it.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use matterhost_actors::{
    model::{ChannelId, Event},
    ports::{Delivered, EventSink, Outcome},
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
    /// The cause given by the first sink that rejected the event.
    rejected: Option<String>,
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
        let mut outcomes = Outcomes::default();
        let later = FuturesUnordered::<BoxFuture<'static, (Arc<str>, Outcome)>>::new();
        for (name, sink) in self.pending.sinks_missing(event, &self.sinks) {
            match sink.deliver(event) {
                Delivered::Now(outcome) => outcomes.record(&self.pending, event, name, outcome),
                Delivered::Later(outcome) => {
                    let name = Arc::clone(name);
                    later.push(outcome.map(move |outcome| (name, outcome)).boxed());
                }
            }
        }
        if later.is_empty() {
            return Delivered::Now(outcomes.combine(&self.pending, event));
        }
        let waiting = collect_outcomes(later, outcomes, self.pending.clone(), Arc::clone(event));
        Delivered::Later(waiting.boxed())
    }
}

async fn collect_outcomes(
    mut later: FuturesUnordered<BoxFuture<'static, (Arc<str>, Outcome)>>,
    mut outcomes: Outcomes,
    pending: PendingEvents,
    event: Arc<Event>,
) -> Outcome {
    while let Some((name, outcome)) = later.next().await {
        outcomes.record(&pending, &event, &name, outcome);
    }
    outcomes.combine(&pending, &event)
}

impl Outcomes {
    fn record(&mut self, pending: &PendingEvents, event: &Arc<Event>, name: &Arc<str>, outcome: Outcome) {
        self.blocks_all |= matches!(outcome, Outcome::Retry { .. });
        match outcome {
            Outcome::Acknowledged => pending.mark_taken(event, name, None),
            Outcome::Rejected { cause } => pending.mark_taken(event, name, Some(cause)),
            Outcome::Retry { after, cause } | Outcome::Hold { after, cause } => {
                if self.retry.as_ref().is_none_or(|(longest, _)| *longest < after) {
                    self.retry = Some((after, cause));
                }
            }
            Outcome::Broken { cause } => self.broken = Some(cause),
        }
    }

    /// Returns the worst outcome: broken, then retry or hold with the longest delay, then rejected.
    fn combine(self, pending: &PendingEvents, event: &Arc<Event>) -> Outcome {
        match (self.broken, self.retry) {
            (Some(cause), _) => Outcome::Broken { cause },
            (None, Some((after, cause))) if self.blocks_all => Outcome::Retry { after, cause },
            (None, Some((after, cause))) => Outcome::Hold { after, cause },
            (None, None) => match pending.finish(event) {
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
        let fresh = || PartialDelivery { event: Arc::downgrade(event), taken: Vec::new(), rejected: None };
        let partial = pending.entry(event.body.channel_id.clone()).or_insert_with(fresh);
        if !partial.matches(event) {
            // The account stopped delivering the previous event of the channel.
            *partial = fresh();
        }
        sinks.iter().filter(|(name, _)| !partial.taken.contains(name)).collect()
    }

    fn mark_taken(&self, event: &Arc<Event>, name: &Arc<str>, rejected: Option<String>) {
        let mut pending = self.0.lock();
        if let Some(partial) =
            pending.get_mut(&event.body.channel_id).filter(|partial| partial.matches(event))
        {
            partial.taken.push(Arc::clone(name));
            partial.rejected = partial.rejected.take().or(rejected);
        }
    }

    /// Forgets the event. Returns the cause if a sink rejected it.
    fn finish(&self, event: &Arc<Event>) -> Option<String> {
        let mut pending = self.0.lock();
        pending.get(&event.body.channel_id).filter(|partial| partial.matches(event))?;
        pending.remove(&event.body.channel_id)?.rejected
    }
}

impl PartialDelivery {
    fn matches(&self, event: &Arc<Event>) -> bool {
        std::ptr::eq(self.event.as_ptr(), Arc::as_ptr(event))
    }
}

#[cfg(test)]
mod tests;
