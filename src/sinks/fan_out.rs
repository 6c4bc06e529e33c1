//! Several sinks of one account: an event is acknowledged when each of them has acknowledged it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use matterhost_actors::{
    model::{ChannelId, Event},
    ports::{Delivered, EventSink, Outcome},
};

/// Hands each event to several sinks. One that has taken an event is not asked again when another has to be.
pub(super) struct FanOut {
    sinks: Vec<NamedSink>,
    pending: PendingEvents,
}

/// A sink by its name: whoever comes in its place has its name, and what it had taken.
pub(super) type NamedSink = (Arc<str>, Arc<dyn EventSink>);

/// The events that not all have answered for good: one a channel, for so does an account hand them over. It outlives
/// the sinks that an account has at the moment.
#[derive(Clone, Default)]
pub(super) struct PendingEvents(Arc<Mutex<HashMap<ChannelId, PartialDelivery>>>);

/// Which sinks have taken an event.
struct PartialDelivery {
    /// Kept, so that no other event comes to lie where it lay and is taken for it.
    event: Weak<Event>,
    taken: Vec<Arc<str>>,
    /// Why one of them refused it for good.
    rejected: Option<String>,
}

/// What the sinks have answered this time.
#[derive(Default)]
struct Outcomes {
    retry: Option<(Duration, String)>,
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
        for (name, sink) in self.pending.missing(event, &self.sinks) {
            match sink.deliver(event) {
                Delivered::Now(outcome) => outcomes.note(&self.pending, event, name, outcome),
                Delivered::Later(outcome) => {
                    let name = Arc::clone(name);
                    later.push(outcome.map(move |outcome| (name, outcome)).boxed());
                }
            }
        }
        if later.is_empty() {
            return Delivered::Now(outcomes.conclude(&self.pending, event));
        }
        let waiting = wait(later, outcomes, self.pending.clone(), Arc::clone(event));
        Delivered::Later(waiting.boxed())
    }
}

async fn wait(
    mut later: FuturesUnordered<BoxFuture<'static, (Arc<str>, Outcome)>>,
    mut outcomes: Outcomes,
    pending: PendingEvents,
    event: Arc<Event>,
) -> Outcome {
    while let Some((name, outcome)) = later.next().await {
        outcomes.note(&pending, &event, &name, outcome);
    }
    outcomes.conclude(&pending, &event)
}

impl Outcomes {
    fn note(&mut self, pending: &PendingEvents, event: &Arc<Event>, name: &Arc<str>, outcome: Outcome) {
        match outcome {
            Outcome::Acknowledged => pending.taken(event, name, None),
            Outcome::Rejected { cause } => pending.taken(event, name, Some(cause)),
            Outcome::Retry { after, cause } => {
                if self.retry.as_ref().is_none_or(|(longest, _)| *longest < after) {
                    self.retry = Some((after, cause));
                }
            }
            Outcome::Broken { cause } => self.broken = Some(cause),
        }
    }

    /// What all of them together say: the worst of it.
    fn conclude(self, pending: &PendingEvents, event: &Arc<Event>) -> Outcome {
        match (self.broken, self.retry) {
            (Some(cause), _) => Outcome::Broken { cause },
            (None, Some((after, cause))) => Outcome::Retry { after, cause },
            (None, None) => match pending.close(event) {
                Some(cause) => Outcome::Rejected { cause },
                None => Outcome::Acknowledged,
            },
        }
    }
}

impl PendingEvents {
    /// The sinks that have not taken it yet.
    fn missing<'a>(&self, event: &Arc<Event>, sinks: &'a [NamedSink]) -> Vec<&'a NamedSink> {
        let mut pending = self.lock();
        let fresh = || PartialDelivery { event: Arc::downgrade(event), taken: Vec::new(), rejected: None };
        let partial = pending.entry(event.body.channel_id.clone()).or_insert_with(fresh);
        if !partial.matches(event) {
            // The one before it was given up by whoever offered it.
            *partial = fresh();
        }
        sinks.iter().filter(|(name, _)| !partial.taken.contains(name)).collect()
    }

    fn taken(&self, event: &Arc<Event>, name: &Arc<str>, rejected: Option<String>) {
        let mut pending = self.lock();
        if let Some(partial) =
            pending.get_mut(&event.body.channel_id).filter(|partial| partial.matches(event))
        {
            partial.taken.push(Arc::clone(name));
            partial.rejected = partial.rejected.take().or(rejected);
        }
    }

    /// Forgets it; says whether one of the sinks refused it.
    fn close(&self, event: &Arc<Event>) -> Option<String> {
        let mut pending = self.lock();
        pending.get(&event.body.channel_id).filter(|partial| partial.matches(event))?;
        pending.remove(&event.body.channel_id)?.rejected
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChannelId, PartialDelivery>> {
        // A panic while it was held leaves a map that is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialDelivery {
    fn matches(&self, event: &Arc<Event>) -> bool {
        std::ptr::eq(self.event.as_ptr(), Arc::as_ptr(event))
    }
}

#[cfg(test)]
mod tests;
