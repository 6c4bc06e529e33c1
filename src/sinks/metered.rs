//! Measures how sinks answer, and counts what accounts hear.

use std::sync::{Arc, OnceLock};

use futures_util::FutureExt as _;
use matterhost_actors::{
    model::Event,
    ports::{Delivered, EventSink, Outcome},
};

use crate::telemetry::metrics::{EventMeter, Metrics, SinkMeter};

/// One sink, whose answers are measured.
pub(super) struct TimedSink {
    sink: Arc<dyn EventSink>,
    meter: SinkMeter,
}

/// What one account hands its events to; those that it has answered for good are counted.
pub(super) struct CountedSink {
    sink: Arc<dyn EventSink>,
    metrics: Metrics,
    /// Known from the first event on.
    meter: OnceLock<EventMeter>,
}

impl TimedSink {
    pub(super) fn new(sink: Arc<dyn EventSink>, meter: SinkMeter) -> Self {
        Self { sink, meter }
    }
}

impl EventSink for TimedSink {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        let timer = self.meter.start();
        match self.sink.deliver(event) {
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
    pub(super) fn new(sink: Arc<dyn EventSink>, metrics: Metrics) -> Self {
        Self { sink, metrics, meter: OnceLock::new() }
    }
}

impl EventSink for CountedSink {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        let meter = self.meter.get_or_init(|| self.metrics.event_meter(&event.account, &event.server));
        match self.sink.deliver(event) {
            Delivered::Now(outcome) => {
                count(meter, event, &outcome);
                Delivered::Now(outcome)
            }
            Delivered::Later(outcome) => {
                let (meter, event) = (meter.clone(), Arc::clone(event));
                Delivered::Later(outcome.inspect(move |outcome| count(&meter, &event, outcome)).boxed())
            }
        }
    }
}

/// One that comes again is counted when it is done with.
fn count(meter: &EventMeter, event: &Event, outcome: &Outcome) {
    match outcome {
        Outcome::Acknowledged | Outcome::Rejected { .. } => meter.record(event),
        Outcome::Retry { .. } | Outcome::Broken { .. } => {}
    }
}

#[cfg(test)]
mod tests;
