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
    sinks: Vec<Named>,
    open: Open,
}

/// A sink by its name: whoever comes in its place has its name, and what it had taken.
pub(super) type Named = (Arc<str>, Arc<dyn EventSink>);

/// The events that not all have answered for good: one a channel, for so does an account hand them over. It outlives
/// the sinks that an account has at the moment.
#[derive(Clone, Default)]
pub(super) struct Open(Arc<Mutex<HashMap<ChannelId, Partly>>>);

/// Which sinks have taken an event.
struct Partly {
    /// Kept, so that no other event comes to lie where it lay and is taken for it.
    event: Weak<Event>,
    taken: Vec<Arc<str>>,
    /// Why one of them refused it for good.
    rejected: Option<String>,
}

/// What the sinks have answered this time.
#[derive(Default)]
struct Answers {
    retry: Option<(Duration, String)>,
    broken: Option<String>,
}

impl FanOut {
    pub(super) fn new(sinks: Vec<Named>, open: Open) -> Self {
        Self { sinks, open }
    }
}

impl EventSink for FanOut {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        let mut answers = Answers::default();
        let later = FuturesUnordered::<BoxFuture<'static, (Arc<str>, Outcome)>>::new();
        for (name, sink) in self.open.missing(event, &self.sinks) {
            match sink.deliver(event) {
                Delivered::Now(outcome) => answers.note(&self.open, event, name, outcome),
                Delivered::Later(outcome) => {
                    let name = Arc::clone(name);
                    later.push(outcome.map(move |outcome| (name, outcome)).boxed());
                }
            }
        }
        if later.is_empty() {
            return Delivered::Now(answers.conclude(&self.open, event));
        }
        let waiting = wait(later, answers, self.open.clone(), Arc::clone(event));
        Delivered::Later(waiting.boxed())
    }
}

async fn wait(
    mut later: FuturesUnordered<BoxFuture<'static, (Arc<str>, Outcome)>>,
    mut answers: Answers,
    open: Open,
    event: Arc<Event>,
) -> Outcome {
    while let Some((name, outcome)) = later.next().await {
        answers.note(&open, &event, &name, outcome);
    }
    answers.conclude(&open, &event)
}

impl Answers {
    fn note(&mut self, open: &Open, event: &Arc<Event>, name: &Arc<str>, outcome: Outcome) {
        match outcome {
            Outcome::Acknowledged => open.taken(event, name, None),
            Outcome::Rejected { cause } => open.taken(event, name, Some(cause)),
            Outcome::Retry { after, cause } => {
                if self.retry.as_ref().is_none_or(|(longest, _)| *longest < after) {
                    self.retry = Some((after, cause));
                }
            }
            Outcome::Broken { cause } => self.broken = Some(cause),
        }
    }

    /// What all of them together say: the worst of it.
    fn conclude(self, open: &Open, event: &Arc<Event>) -> Outcome {
        match (self.broken, self.retry) {
            (Some(cause), _) => Outcome::Broken { cause },
            (None, Some((after, cause))) => Outcome::Retry { after, cause },
            (None, None) => match open.close(event) {
                Some(cause) => Outcome::Rejected { cause },
                None => Outcome::Acknowledged,
            },
        }
    }
}

impl Open {
    /// The sinks that have not taken it yet.
    fn missing<'a>(&self, event: &Arc<Event>, sinks: &'a [Named]) -> Vec<&'a Named> {
        let mut open = self.lock();
        let fresh = || Partly { event: Arc::downgrade(event), taken: Vec::new(), rejected: None };
        let partly = open.entry(event.body.channel_id.clone()).or_insert_with(fresh);
        if !partly.is(event) {
            // The one before it was given up by whoever offered it.
            *partly = fresh();
        }
        sinks.iter().filter(|(name, _)| !partly.taken.contains(name)).collect()
    }

    fn taken(&self, event: &Arc<Event>, name: &Arc<str>, rejected: Option<String>) {
        let mut open = self.lock();
        if let Some(partly) = open.get_mut(&event.body.channel_id).filter(|partly| partly.is(event)) {
            partly.taken.push(Arc::clone(name));
            partly.rejected = partly.rejected.take().or(rejected);
        }
    }

    /// Forgets it; says whether one of the sinks refused it.
    fn close(&self, event: &Arc<Event>) -> Option<String> {
        let mut open = self.lock();
        open.get(&event.body.channel_id).filter(|partly| partly.is(event))?;
        open.remove(&event.body.channel_id)?.rejected
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChannelId, Partly>> {
        // A panic while it was held leaves a map that is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Partly {
    fn is(&self, event: &Arc<Event>) -> bool {
        std::ptr::eq(self.event.as_ptr(), Arc::as_ptr(event))
    }
}

#[cfg(test)]
mod tests;
