//! What is counted and measured, for Prometheus. `docs/METRICS.md` lists it.
//!
//! Gauges are read when somebody looks, from the Supervisor's snapshots; counters come from the stream of observations,
//! from the sinks' meters and from the servers' tallies. What an account, a sink or a server has of its own goes with it, when
//! somebody looks.

mod accounts;
mod counts;
mod event_types;
mod format;
mod labels;
mod process;
mod scrape;
mod servers;
mod sinks;
mod timings;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use matterhost_actors::{
    mattermost::RequestStats,
    model::{AccountName, AccountSnapshot, Fact, Observation, ServerName, ServerSnapshot, Subject},
};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use self::{counts::AccountCounts, labels::CountsKey, scrape::Scrape, sinks::Sinks, timings::Timings};
pub use self::{
    counts::EventMeter,
    format::Format,
    sinks::{DeliveryTimer, SinkMeter},
};

/// All that is counted and measured. Clones share it.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    account_counts: AccountCounts,
    timings: Timings,
    sinks: Sinks,
    tallies: Mutex<BTreeMap<ServerName, Arc<RequestStats>>>,
    /// Facts of each server and its accounts.
    facts: Mutex<BTreeMap<(ServerName, &'static str), u64>>,
    /// Observations that came too fast to be counted.
    missed: AtomicU64,
}

impl Metrics {
    /// Nothing counted yet. With `per_account` each account has series of its own, else the accounts of a server share
    /// theirs.
    pub fn new(per_account: bool) -> Self {
        Self(Arc::new(Inner {
            account_counts: AccountCounts::new(per_account),
            timings: Timings::default(),
            sinks: Sinks::default(),
            tallies: Mutex::default(),
            facts: Mutex::default(),
            missed: AtomicU64::default(),
        }))
    }

    /// Counts what is observed until the Supervisor is gone.
    pub async fn watch(self, mut observations: Receiver<Arc<Observation>>) {
        use std::sync::atomic::Ordering::Relaxed;
        loop {
            match observations.recv().await {
                Ok(observation) => self.observe(&observation),
                Err(RecvError::Lagged(missed)) => {
                    self.0.missed.fetch_add(missed, Relaxed);
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Counts one observation.
    pub fn observe(&self, observation: &Observation) {
        let Observation { server, subject, fact, .. } = observation;
        // In this order: whoever forgets the facts of a server forgets its times too.
        self.0.timings.observe(server, fact);
        self.0.count_fact(server, fact.label());
        if let Subject::Account(account, _) = subject {
            // Most facts are probes: they are not looked up.
            match fact {
                Fact::Closed { reason, charged, .. } => {
                    self.0
                        .account_counts
                        .get_or_create(account, server)
                        .record_ending(reason.label(), *charged);
                }
                Fact::CatchUpTruncated { .. } => {
                    self.0.account_counts.get_or_create(account, server).record_truncation();
                }
                _ => {}
            }
        }
    }

    /// Counts the events of an account.
    pub fn event_meter(&self, account: &AccountName, server: &ServerName) -> EventMeter {
        EventMeter::new(self.0.account_counts.get_or_create(account, server))
    }

    /// Measures how a sink answers.
    pub fn sink_meter(&self, name: &str) -> SinkMeter {
        self.0.sinks.meter(name)
    }

    /// Counts what is asked of a server; the same for the same server, so that nothing is lost when its client changes.
    pub fn request_stats(&self, server: &ServerName) -> Arc<RequestStats> {
        let mut tallies = self.0.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.timings.add_server(server);
        Arc::clone(tallies.entry(server.clone()).or_default())
    }

    /// All of it as text, with the gauges from these snapshots.
    pub fn render(
        &self,
        format: Format,
        accounts: Vec<AccountSnapshot>,
        servers: Vec<ServerSnapshot>,
    ) -> String {
        self.0.account_counts.retain_hosted(&accounts);
        self.0.sinks.retain_measured();
        self.0.keep_servers(&servers);
        format.write(Scrape { metrics: Arc::clone(&self.0), accounts, servers })
    }
}

impl Inner {
    fn count_fact(&self, server: &ServerName, fact: &'static str) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        *facts.entry((server.clone(), fact)).or_default() += 1;
    }

    /// Forgets servers that are no more, and what is told of them behind their end.
    fn keep_servers(&self, servers: &[ServerSnapshot]) {
        let mut is_known: BTreeSet<_> = servers.iter().map(|server| server.server.clone()).collect();
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        // One whose request_stats is in use is about to be hosted, or has its last requests under way.
        let in_use = tallies.iter().filter(|(_, request_stats)| Arc::strong_count(request_stats) > 1);
        is_known.extend(in_use.map(|(server, _)| server.clone()));
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = facts.keys().map(|(server, _)| server);
        let gone: BTreeSet<_> =
            tallies.keys().chain(counted).filter(|server| !is_known.contains(*server)).cloned().collect();
        tallies.retain(|server, _| !gone.contains(server));
        facts.retain(|(server, _), _| !gone.contains(server));
        for server in &gone {
            self.timings.remove_server(server);
        }
    }
}

#[cfg(test)]
mod tests;
