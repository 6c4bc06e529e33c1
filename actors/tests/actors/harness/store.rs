//! A store that can fail, wait or crash.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use futures_util::future::{BoxFuture, FutureExt as _, pending, ready};
use matterhost_actors::{
    model::{AccountName, Changes, ChannelRecord, PostId, Records},
    ports::{CursorStore, MemoryStore, StoreError},
};
use tokio::sync::watch;

/// A store in memory with simulated failures. Clones share the store.
#[derive(Clone, Default)]
pub(crate) struct CrashStore {
    stored: MemoryStore,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    crashed: AtomicBool,
    fails: AtomicBool,
    commits: AtomicU64,
    holds_commits: watch::Sender<bool>,
}

impl CrashStore {
    /// Stops storing and answering, as a killed process does. Returns the store as the next process finds it.
    pub(crate) fn crash(&self) -> Self {
        self.shared.crashed.store(true, Ordering::SeqCst);
        Self { stored: self.stored.clone(), shared: Arc::default() }
    }

    /// Makes all reads and writes fail, or succeed again.
    pub(crate) fn set_failing(&self, fails: bool) {
        self.shared.fails.store(fails, Ordering::SeqCst);
    }

    /// Makes commits wait, or go on.
    pub(crate) fn hold_commits(&self, holds: bool) {
        self.shared.holds_commits.send_replace(holds);
    }

    /// True if the acknowledgement of a post is stored.
    pub(crate) async fn has(&self, account: &AccountName, post: &PostId) -> bool {
        let records = self.stored.load(account).await.unwrap();
        let known =
            |channel: &ChannelRecord| channel.since.iter().chain(&channel.beyond).any(|(_, id)| id == post);
        records.channels.values().any(known)
    }

    pub(crate) fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::SeqCst)
    }

    /// Returns the simulated failure of a request, if any.
    fn simulated_failure<T: Send + 'static>(&self) -> Option<BoxFuture<'static, Result<T, StoreError>>> {
        if self.shared.crashed.load(Ordering::SeqCst) {
            return Some(pending().boxed());
        }
        let fails = self.shared.fails.load(Ordering::SeqCst);
        fails.then(|| ready(Err(StoreError { message: "the disk is full".into() })).boxed())
    }
}

impl CursorStore for CrashStore {
    fn load(&self, account: &AccountName) -> BoxFuture<'static, Result<Records, StoreError>> {
        self.simulated_failure().unwrap_or_else(|| self.stored.load(account))
    }

    fn commit(&self, account: &AccountName, changes: Changes) -> BoxFuture<'static, Result<(), StoreError>> {
        self.shared.commits.fetch_add(1, Ordering::SeqCst);
        self.simulated_failure().unwrap_or_else(|| {
            let mut held = self.shared.holds_commits.subscribe();
            let (stored, account) = (self.stored.clone(), account.clone());
            async move {
                held.wait_for(|holds| !holds).await.unwrap();
                stored.commit(&account, changes).await
            }
            .boxed()
        })
    }

    fn keeps_values(&self) -> bool {
        true
    }

    fn forget(&self, account: &AccountName) -> BoxFuture<'static, Result<(), StoreError>> {
        self.simulated_failure().unwrap_or_else(|| self.stored.forget(account))
    }
}
