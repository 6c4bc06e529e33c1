//! Sinks that measure: answer times per sink, and events per account.

use std::sync::{Arc, OnceLock};

use futures_util::FutureExt as _;
use matterhost_actors::{
    model::Event,
    ports::{Delivered, EventSink, EventStorage, Outcome},
};

use crate::telemetry::metrics::{EventMeter, Metrics, SinkMeter};

/// A sink whose answers are timed.
pub(super) struct TimedSink {
    sink: Arc<dyn EventSink>,
    meter: SinkMeter,
}

/// An account's sink, which counts the events with a final outcome.
pub(super) struct CountedSink {
    sink: Arc<dyn EventSink>,
    /// The names of the sinks that it consists of.
    names: Arc<[Arc<str>]>,
    metrics: Metrics,
    /// Set by the first event.
    meter: OnceLock<EventMeter>,
}

impl TimedSink {
    pub(super) fn new(sink: Arc<dyn EventSink>, meter: SinkMeter) -> Self {
        Self { sink, meter }
    }
}

impl EventSink for TimedSink {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        self.deliver_with(event, &EventStorage::unavailable())
    }

    fn deliver_with(&self, event: &Arc<Event>, storage: &EventStorage) -> Delivered {
        let timer = self.meter.start();
        match self.sink.deliver_with(event, storage) {
            Delivered::Now(outcome) => {
                timer.finish(&outcome);
                Delivered::Now(outcome)
            }
            Delivered::Later(outcome) => {
                Delivered::Later(outcome.inspect(|outcome| timer.finish(outcome)).boxed())
            }
        }
    }
}

impl CountedSink {
    pub(super) fn new(sink: Arc<dyn EventSink>, names: Arc<[Arc<str>]>, metrics: Metrics) -> Self {
        Self { sink, names, metrics, meter: OnceLock::new() }
    }
}

impl EventSink for CountedSink {
    fn names(&self) -> Arc<[Arc<str>]> {
        Arc::clone(&self.names)
    }

    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        self.deliver_with(event, &EventStorage::unavailable())
    }

    fn deliver_with(&self, event: &Arc<Event>, storage: &EventStorage) -> Delivered {
        let meter = self.meter.get_or_init(|| self.metrics.event_meter(&event.account, &event.server));
        match self.sink.deliver_with(event, storage) {
            Delivered::Now(outcome) => {
                count_if_final(meter, event, &outcome);
                Delivered::Now(outcome)
            }
            Delivered::Later(outcome) => {
                let (meter, event) = (meter.clone(), Arc::clone(event));
                let counted = outcome.inspect(move |outcome| count_if_final(&meter, &event, outcome));
                Delivered::Later(counted.boxed())
            }
        }
    }
}

/// Counts an event with a final outcome; a retried one is counted later.
fn count_if_final(meter: &EventMeter, event: &Event, outcome: &Outcome) {
    match outcome {
        Outcome::Acknowledged | Outcome::Rejected { .. } => meter.record(event),
        Outcome::Retry { .. } | Outcome::Hold { .. } | Outcome::Broken { .. } => {}
    }
}

#[cfg(test)]
mod tests;
