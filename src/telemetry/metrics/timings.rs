//! How long things took, each server by itself: buckets for each account would be a dozen series each.

use matterhost_actors::model::{Fact, ServerName};
use prometheus_client::metrics::{family::Family, histogram::Histogram};

/// A histogram for each server.
pub(super) type Times = Family<[(&'static str, String); 1], Histogram>;

/// A question and its answer: a server nearby takes milliseconds, the slowest that is waited for takes 30 s.
const OF_A_QUESTION: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// What takes several questions, waits for the gate, or pages for minutes.
const OF_A_ROUND: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];

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
            connect: rounds(),
            catch_up: rounds(),
            probe: Times::new_with_constructor(|| Histogram::new(OF_A_QUESTION)),
            deaf: rounds(),
        }
    }
}

fn rounds() -> Times {
    Times::new_with_constructor(|| Histogram::new(OF_A_ROUND))
}

fn of(server: &ServerName) -> [(&'static str, String); 1] {
    [("server", server.to_string())]
}

impl Timings {
    /// A server is added: its series begin at zero, so that the first time counts as a rise.
    pub(super) fn add_server(&self, server: &ServerName) {
        for times in [&self.connect, &self.catch_up, &self.probe, &self.deaf] {
            drop(times.get_or_create(&of(server)));
        }
    }

    /// A server is no more.
    pub(super) fn remove_server(&self, server: &ServerName) {
        for times in [&self.connect, &self.catch_up, &self.probe, &self.deaf] {
            times.remove(&of(server));
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
        times.get_or_create(&of(server)).observe(took.as_secs_f64());
    }
}
