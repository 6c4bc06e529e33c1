//! Prometheus metrics, listed in `docs/METRICS.md`.
//!
//! Gauges come from the Supervisor's snapshots at each scrape; counters come from the stream of observations, the
//! sinks' meters and the servers' request statistics. The series of an account, a sink or a server that is gone are
//! removed at the next scrape.

mod accounts;
mod cluster;
mod counts;
mod event_types;
mod exposition;
mod hooks;
mod host_process;
mod labels;
mod left_out;
mod scrape;
mod servers;
mod sinks;
mod timings;

pub use self::{
    cluster::{ActionMetrics, ClusterMetrics},
    counts::EventMeter,
    exposition::Format,
    hooks::{HookMeter, HookTimer},
    left_out::FilterKey,
    sinks::{DeliveryTimer, SinkMeter},
};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicU64},
};

use matterhost_actors::{
    mattermost::RequestStats,
    model::{AccountName, AccountSnapshot, Fact, Observation, ServerName, ServerSnapshot, Subject},
};
use parking_lot::Mutex;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use self::{
    counts::AccountCounts, hooks::Hooks, labels::CountsKey, scrape::Scrape, sinks::Sinks, timings::Timings,
};

/// All metrics. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    account_counts: AccountCounts,
    timings: Timings,
    sinks: Sinks,
    hooks: Arc<Hooks>,
    request_stats: Mutex<BTreeMap<ServerName, Arc<RequestStats>>>,
    /// Facts of each server and its accounts.
    facts: Mutex<BTreeMap<(ServerName, &'static str), u64>>,
    /// The numbers of the member, if the host is one.
    cluster: Mutex<Option<ClusterMetrics>>,
    /// Observations that were lost because they came too fast.
    missed: AtomicU64,
}

impl Metrics {
    /// Creates empty metrics. With `per_account` each account has its own series; otherwise the accounts of a server
    /// share theirs.
    pub fn new(per_account: bool) -> Self {
        Self(Arc::new(Inner {
            account_counts: AccountCounts::new(per_account),
            timings: Timings::default(),
            sinks: Sinks::default(),
            hooks: Arc::default(),
            request_stats: Mutex::default(),
            facts: Mutex::default(),
            cluster: Mutex::default(),
            missed: AtomicU64::default(),
        }))
    }

    /// Counts observations until the Supervisor ends.
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

    /// Counts an observation.
    pub fn observe(&self, observation: &Observation) {
        let Observation { server, subject, fact, .. } = observation;
        // The times come first: `keep_servers` removes them only for servers that have facts or statistics.
        self.0.timings.observe(server, fact);
        self.0.count_fact(server, fact.label());
        if let Subject::Account(account, _) = subject {
            // Most facts are probes and need no lookup.
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

    /// Returns the meter of an account's events.
    pub fn event_meter(&self, account: &AccountName, server: &ServerName) -> EventMeter {
        EventMeter::new(self.0.account_counts.get_or_create(account, server))
    }

    /// Returns the meter of a sink.
    pub fn sink_meter(&self, name: &str) -> SinkMeter {
        self.0.sinks.meter(name)
    }

    /// Returns the meter of the hooks.
    pub fn hook_meter(&self) -> HookMeter {
        HookMeter(Arc::clone(&self.0.hooks))
    }

    /// Returns the request statistics of a server. They are the same for every client of the server, so a changed
    /// client loses no counts.
    pub fn request_stats(&self, server: &ServerName) -> Arc<RequestStats> {
        let mut stats = self.0.request_stats.lock();
        self.0.timings.add_server(server);
        Arc::clone(stats.entry(server.clone()).or_default())
    }

    /// Sets the numbers of the member that the host is.
    pub fn set_cluster(&self, cluster: ClusterMetrics) {
        *self.0.cluster.lock() = Some(cluster);
    }

    /// Renders all metrics, with the gauges from these snapshots.
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
        let mut facts = self.facts.lock();
        *facts.entry((server.clone(), fact)).or_default() += 1;
    }

    /// Removes servers that no longer exist, including facts counted after their end.
    fn keep_servers(&self, servers: &[ServerSnapshot]) {
        let mut known: BTreeSet<_> = servers.iter().map(|server| server.server.clone()).collect();
        let mut stats = self.request_stats.lock();
        // Statistics in use belong to a server that is about to be hosted or has its last requests in flight.
        let in_use = stats.iter().filter(|(_, stats)| Arc::strong_count(stats) > 1);
        known.extend(in_use.map(|(server, _)| server.clone()));
        let mut facts = self.facts.lock();
        let counted = facts.keys().map(|(server, _)| server);
        let gone: BTreeSet<_> =
            stats.keys().chain(counted).filter(|server| !known.contains(*server)).cloned().collect();
        stats.retain(|server, _| !gone.contains(server));
        facts.retain(|(server, _), _| !gone.contains(server));
        for server in &gone {
            self.timings.remove_server(server);
        }
    }
}
