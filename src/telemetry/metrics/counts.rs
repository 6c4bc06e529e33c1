//! What is counted of an account, or of all accounts of a server together.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use matterhost_actors::model::{AccountName, AccountSnapshot, Event, ServerName};

use super::{CountsKey, event_types};

/// The counts of all.
#[derive(Debug)]
pub(super) struct AccountCounts {
    pub(super) per_account: bool,
    counts: RwLock<BTreeMap<CountsKey, Arc<Counts>>>,
}

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// By type. An account hears a handful of types: a list is smaller than a map, and no slower.
    events: Mutex<Vec<(&'static str, u64)>>,
    recovered: AtomicU64,
    truncations: AtomicU64,
    /// By reason, and whether it was charged.
    endings: Mutex<BTreeMap<(&'static str, bool), u64>>,
}

/// Counts the events of one account.
#[derive(Debug, Clone)]
pub struct EventMeter(Arc<Counts>);

impl AccountCounts {
    pub(super) fn new(per_account: bool) -> Self {
        Self { per_account, counts: RwLock::default() }
    }

    /// Whose counts an account's are.
    pub(super) fn who(&self, account: &AccountName, server: &ServerName) -> CountsKey {
        CountsKey { account: self.per_account.then(|| account.clone()), server: server.clone() }
    }

    /// The counts of an account.
    pub(super) fn get_or_create(&self, account: &AccountName, server: &ServerName) -> Arc<Counts> {
        let who = self.who(account, server);
        if let Some(counts) = self.counts.read().unwrap_or_else(PoisonError::into_inner).get(&who) {
            return Arc::clone(counts);
        }
        let mut counts = self.counts.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(counts.entry(who).or_default())
    }

    /// Forgets accounts that are no more; those of a server together never go back.
    pub(super) fn retain_hosted(&self, accounts: &[AccountSnapshot]) {
        if !self.per_account {
            return;
        }
        let hosted: HashSet<_> = accounts.iter().map(|account| (&account.account, &account.server)).collect();
        let mut counts = self.counts.write().unwrap_or_else(PoisonError::into_inner);
        counts.retain(|who, counts| {
            let is_hosted = who.account.as_ref().is_none_or(|name| hosted.contains(&(name, &who.server)));
            // One whose meter is in use is about to be hosted, or hands over its last events.
            is_hosted || Arc::strong_count(counts) > 1
        });
    }

    pub(super) fn all(&self) -> Vec<(CountsKey, Arc<Counts>)> {
        let counts = self.counts.read().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(who, counts)| (who.clone(), Arc::clone(counts))).collect()
    }
}

impl Counts {
    pub(super) fn record_ending(&self, reason: &'static str, charged: bool) {
        let mut endings = self.endings.lock().unwrap_or_else(PoisonError::into_inner);
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
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn endings(&self) -> Vec<((&'static str, bool), u64)> {
        let endings = self.endings.lock().unwrap_or_else(PoisonError::into_inner);
        endings.iter().map(|(key, times)| (*key, *times)).collect()
    }
}

impl EventMeter {
    pub(super) fn new(counts: Arc<Counts>) -> Self {
        Self(counts)
    }

    /// Counts an event that the account's sinks have answered for good.
    pub fn record(&self, event: &Event) {
        let label = event_types::label(&event.body.event);
        let mut events = self.0.events.lock().unwrap_or_else(PoisonError::into_inner);
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
