//! The wrapper around a sink that records every offer and answer, names the sink in each cause, and skips events.

use std::sync::Arc;

use futures_util::FutureExt as _;
use matterhost_actors::{
    model::Event,
    ports::{Delivered, EventSink, EventStorage, Outcome},
};

use super::{
    HandlerDeps,
    message::Message,
    monitor::{Attempted, SinkMonitor},
};

/// A sink whose events are recorded. Clones share it.
#[derive(Clone)]
pub(super) struct WatchedSink {
    sink: Arc<dyn EventSink>,
    monitor: SinkMonitor,
    /// The name of the sink, and its dead letters, among which skipped events are kept.
    handler_deps: Arc<HandlerDeps>,
}

impl WatchedSink {
    pub(super) fn new(sink: Arc<dyn EventSink>, handler_deps: HandlerDeps) -> Self {
        Self { sink, monitor: handler_deps.monitor.clone(), handler_deps: Arc::new(handler_deps) }
    }

    /// Makes an event a dead letter, as an operator asked.
    async fn skip(&self, event: &Arc<Event>) -> Outcome {
        let cause = match self.monitor.last_cause(event) {
            Some(cause) => format!("skipped by an operator; before that: {cause}"),
            None => "skipped by an operator while the sink had it".to_owned(),
        };
        Arc::clone(&self.handler_deps).keep_without_blocking(Message::from_event(event), cause).await
    }

    /// Records an outcome and names the sink in its cause.
    fn record(&self, event: &Arc<Event>, outcome: Outcome, how: Attempted) -> Outcome {
        self.monitor.finish(event, &outcome, how);
        let named = |cause| format!("sink {}: {cause}", self.handler_deps.sink);
        match outcome {
            Outcome::Retry { after, cause } => Outcome::Retry { after, cause: named(cause) },
            Outcome::Hold { after, cause } => Outcome::Hold { after, cause: named(cause) },
            Outcome::Broken { cause } => Outcome::Broken { cause: named(cause) },
            outcome @ (Outcome::Acknowledged | Outcome::Rejected { .. }) => outcome,
        }
    }
}

impl EventSink for WatchedSink {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        self.deliver_with(event, &EventStorage::unavailable())
    }

    fn deliver_with(&self, event: &Arc<Event>, storage: &EventStorage) -> Delivered {
        if !self.monitor.begin(event) {
            let (watched, event) = (self.clone(), Arc::clone(event));
            let skipping = async move {
                let outcome = watched.skip(&event).await;
                watched.record(&event, outcome, Attempted::Answered)
            };
            return Delivered::Later(skipping.boxed());
        }
        match self.sink.deliver_with(event, storage) {
            Delivered::Now(outcome) => Delivered::Now(self.record(event, outcome, Attempted::Refused)),
            Delivered::Later(answer) => {
                let (watched, event) = (self.clone(), Arc::clone(event));
                let answer = async move {
                    let outcome = tokio::select! {
                        outcome = answer => outcome,
                        () = watched.monitor.skipped(&event) => watched.skip(&event).await,
                    };
                    watched.record(&event, outcome, Attempted::Answered)
                };
                Delivered::Later(answer.boxed())
            }
        }
    }
}

#[cfg(test)]
mod tests;
