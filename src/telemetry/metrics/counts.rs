//! Counters of an account, or of all accounts of a server.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use matterhost_actors::model::{AccountName, AccountSnapshot, Event, ServerName};
use parking_lot::{Mutex, RwLock};

use super::{CountsKey, event_types};

/// The counters of all accounts.
#[derive(Debug)]
pub(super) struct AccountCounts {
    pub(super) per_account: bool,
    counts: RwLock<BTreeMap<CountsKey, Arc<Counts>>>,
}

/// The counters of an account or of a server's accounts.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Events by type. An account receives a handful of types, so a list is smaller than a map and as fast.
    events: Mutex<Vec<(&'static str, u64)>>,
    recovered: AtomicU64,
    truncations: AtomicU64,
    /// Endings by reason and charge.
    endings: Mutex<BTreeMap<(&'static str, bool), u64>>,
}

/// A meter of one account's events.
#[derive(Debug, Clone)]
pub struct EventMeter(Arc<Counts>);

impl AccountCounts {
    pub(super) fn new(per_account: bool) -> Self {
        Self { per_account, counts: RwLock::default() }
    }

    /// Returns the key of an account's counters.
    pub(super) fn key(&self, account: &AccountName, server: &ServerName) -> CountsKey {
        CountsKey { account: self.per_account.then(|| account.clone()), server: server.clone() }
    }

    /// Returns the counters of an account.
    pub(super) fn get_or_create(&self, account: &AccountName, server: &ServerName) -> Arc<Counts> {
        let key = self.key(account, server);
        if let Some(counts) = self.counts.read().get(&key) {
            return Arc::clone(counts);
        }
        let mut counts = self.counts.write();
        Arc::clone(counts.entry(key).or_default())
    }

    /// Removes the counters of accounts that no longer exist. Those of servers never decrease.
    pub(super) fn retain_hosted(&self, accounts: &[AccountSnapshot]) {
        if !self.per_account {
            return;
        }
        let hosted: HashSet<_> = accounts.iter().map(|account| (&account.account, &account.server)).collect();
        let mut counts = self.counts.write();
        counts.retain(|key, counts| {
            let is_hosted = key.account.as_ref().is_none_or(|name| hosted.contains(&(name, &key.server)));
            // A meter in use belongs to an account that is about to be hosted or delivers its last events.
            is_hosted || Arc::strong_count(counts) > 1
        });
    }

    pub(super) fn all(&self) -> Vec<(CountsKey, Arc<Counts>)> {
        let counts = self.counts.read();
        counts.iter().map(|(key, counts)| (key.clone(), Arc::clone(counts))).collect()
    }
}

impl Counts {
    pub(super) fn record_ending(&self, reason: &'static str, charged: bool) {
        let mut endings = self.endings.lock();
        *endings.entry((reason, charged)).or_default() += 1;
    }

    pub(super) fn record_truncation(&self) {
        self.truncations.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn truncations(&self) -> u64 {
        self.truncations.load(Ordering::Relaxed)
    }

    pub(super) fn recovered(&self) -> u64 {
        self.recovered.load(Ordering::Relaxed)
    }

    pub(super) fn events(&self) -> Vec<(&'static str, u64)> {
        self.events.lock().clone()
    }

    pub(super) fn endings(&self) -> Vec<((&'static str, bool), u64)> {
        let endings = self.endings.lock();
        endings.iter().map(|(key, times)| (*key, *times)).collect()
    }
}

impl EventMeter {
    pub(super) fn new(counts: Arc<Counts>) -> Self {
        Self(counts)
    }

    /// Counts an event that the account's sinks have finally answered.
    pub fn record(&self, event: &Event) {
        let label = event_types::label(&event.body.event);
        let mut events = self.0.events.lock();
        match events.iter_mut().find(|(known, _)| *known == label) {
            Some((_, times)) => *times += 1,
            None => events.push((label, 1)),
        }
        drop(events);
        if event.recovered {
            self.0.recovered.fetch_add(1, Ordering::Relaxed);
        }
    }
}
