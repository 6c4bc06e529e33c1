//! Metrics of sinks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Instant,
};

use matterhost_actors::ports::Outcome;
use parking_lot::Mutex;
use prometheus_client::metrics::{family::Family, histogram::Histogram};

use super::left_out::{FilterKey, LeftOut};

/// A file answers within microseconds, a webhook within its timeout.
const BUCKETS: [f64; 10] = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// The labels of all outcomes.
const OUTCOMES: [&str; 4] = ["acknowledged", "retry", "rejected", "broken"];

/// A histogram for each sink and outcome.
pub(super) type Times = Family<[(&'static str, String); 2], Histogram>;

/// The meters of all sinks.
#[derive(Debug)]
pub(super) struct Sinks {
    pub(super) times: Times,
    loads: Mutex<Vec<(String, Arc<Load>)>>,
}

/// The current load of a sink, and the number of events it missed.
#[derive(Debug, Default)]
pub(super) struct Load {
    unanswered: AtomicI64,
    lost: AtomicU64,
    left_out: LeftOut,
    /// The number of events that wait to be tried again.
    waiting: AtomicU64,
    state: Mutex<&'static str>,
}

/// A meter of one sink.
#[derive(Debug, Clone)]
pub struct SinkMeter {
    times: [Histogram; OUTCOMES.len()],
    load: Arc<Load>,
}

/// A timer that runs while a sink has an unanswered event. Dropping it without an answer counts as giving up.
#[derive(Debug)]
pub struct DeliveryTimer {
    since: Instant,
    meter: SinkMeter,
}

impl Default for Sinks {
    fn default() -> Self {
        Self { times: Times::new_with_constructor(|| Histogram::new(BUCKETS)), loads: Mutex::default() }
    }
}

impl Sinks {
    pub(super) fn meter(&self, name: &str) -> SinkMeter {
        // The lock is held to the end, so that `retain_measured` cannot remove half of the meter.
        let mut loads = self.loads.lock();
        let times = OUTCOMES.map(|outcome| self.times.get_or_create(&labels(name, outcome)).clone());
        let known = loads.iter().find(|(known, _)| known == name).map(|(_, load)| Arc::clone(load));
        let load = known.unwrap_or_else(|| {
            let load = Arc::<Load>::default();
            loads.push((name.to_owned(), Arc::clone(&load)));
            load
        });
        SinkMeter { times, load }
    }

    /// Removes sinks that are no longer measured and have no event in flight.
    pub(super) fn retain_measured(&self) {
        let mut loads = self.loads.lock();
        loads.retain(|(name, load)| {
            let is_measured = Arc::strong_count(load) > 1;
            if !is_measured {
                for outcome in OUTCOMES {
                    self.times.remove(&labels(name, outcome));
                }
            }
            is_measured
        });
    }

    pub(super) fn loads(&self) -> Vec<(String, Arc<Load>)> {
        self.loads.lock().clone()
    }
}

fn labels(name: &str, outcome: &str) -> [(&'static str, String); 2] {
    [("sink", name.to_owned()), ("outcome", outcome.to_owned())]
}

impl Load {
    pub(super) fn unanswered(&self) -> u64 {
        // Each subtraction follows its addition.
        u64::try_from(self.unanswered.load(Ordering::Relaxed)).unwrap_or_default()
    }

    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Returns the state of the sink in one word; empty before it has started.
    pub(super) fn state(&self) -> &'static str {
        &self.state.lock()
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Returns the keys of its filter that left events out, with the numbers of events.
    pub(super) fn left_out(&self) -> Vec<(&'static str, u64)> {
        self.left_out.counts()
    }
}

impl SinkMeter {
    /// Starts the timer of an event that the sink receives.
    pub fn start(&self) -> DeliveryTimer {
        self.load.unanswered.fetch_add(1, Ordering::Relaxed);
        DeliveryTimer { since: Instant::now(), meter: self.clone() }
    }

    /// Sets the state of the sink, and the number of events that wait to be tried again.
    pub fn set_state(&self, state: &'static str, waiting: usize) {
        *self.load.state.lock() = state;
        self.load.waiting.store(waiting.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts an event that a `best_effort` sink missed because it does not keep up.
    pub fn record_lost(&self) {
        self.load.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of events that a `best_effort` sink missed.
    pub fn lost(&self) -> u64 {
        self.load.lost()
    }

    /// Counts an event that the sink's filter left out.
    pub fn record_left_out(&self, key: FilterKey) {
        self.load.left_out.count(key);
    }

    /// Returns the keys of the sink's filter that left events out, with the numbers of events.
    pub fn left_out(&self) -> Vec<(&'static str, u64)> {
        self.load.left_out()
    }
}

impl DeliveryTimer {
    /// Records the sink's answer.
    pub fn finish(self, outcome: &Outcome) {
        let at = match outcome {
            Outcome::Acknowledged => 0,
            Outcome::Retry { .. } | Outcome::Hold { .. } => 1,
            Outcome::Rejected { .. } => 2,
            Outcome::Broken { .. } => 3,
        };
        self.meter.times[at].observe(self.since.elapsed().as_secs_f64());
    }
}

impl Drop for DeliveryTimer {
    fn drop(&mut self) {
        self.meter.load.unanswered.fetch_sub(1, Ordering::Relaxed);
    }
}
