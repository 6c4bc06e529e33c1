//! Durations per server: histograms per account would add a dozen series each.

use matterhost_actors::model::{Fact, ServerName};
use prometheus_client::metrics::{family::Family, histogram::Histogram};

/// A histogram for each server.
pub(super) type Times = Family<[(&'static str, String); 1], Histogram>;

/// Buckets for a single request: milliseconds for a nearby server, and at most the 30 s that is waited.
const REQUEST_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Buckets for several requests, which may wait for the gate or page for minutes.
const LONG_BUCKETS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];

#[derive(Debug)]
pub(super) struct Timings {
    pub(super) connect: Times,
    pub(super) catch_up: Times,
    pub(super) probe: Times,
    pub(super) deaf: Times,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            connect: long_times(),
            catch_up: long_times(),
            probe: Times::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS)),
            deaf: long_times(),
        }
    }
}

fn long_times() -> Times {
    Times::new_with_constructor(|| Histogram::new(LONG_BUCKETS))
}

fn labels(server: &ServerName) -> [(&'static str, String); 1] {
    [("server", server.to_string())]
}

impl Timings {
    /// Creates a server's series at zero, so that the first observation counts as an increase.
    pub(super) fn add_server(&self, server: &ServerName) {
        for times in [&self.connect, &self.catch_up, &self.probe, &self.deaf] {
            drop(times.get_or_create(&labels(server)));
        }
    }

    /// Removes a server's series.
    pub(super) fn remove_server(&self, server: &ServerName) {
        for times in [&self.connect, &self.catch_up, &self.probe, &self.deaf] {
            times.remove(&labels(server));
        }
    }

    pub(super) fn observe(&self, server: &ServerName, fact: &Fact) {
        let (times, took) = match fact {
            Fact::Ready { after } => (&self.connect, after),
            Fact::CaughtUp { took, .. } => (&self.catch_up, took),
            Fact::ProbeGood { took } => (&self.probe, took),
            Fact::HearsAgain { after } => (&self.deaf, after),
            _ => return,
        };
        times.get_or_create(&labels(server)).observe(took.as_secs_f64());
    }
}
