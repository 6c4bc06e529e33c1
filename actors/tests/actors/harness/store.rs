//! A store that can fail and can crash.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use futures_util::future::{BoxFuture, FutureExt as _, pending, ready};
use matterhost_actors::{
    model::{AccountName, PostId, Records},
    ports::{CursorStore, MemoryStore, StoreError},
};

/// A store in memory that can fail and crash. Clones share their content.
#[derive(Clone, Default)]
pub(crate) struct CrashStore {
    inner: MemoryStore,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    crashed: AtomicBool,
    fails: AtomicBool,
    commits: AtomicU64,
}

impl CrashStore {
    /// Crashes the store: later requests change nothing and never complete. Returns the store as the next process finds it.
    pub(crate) fn crash(&self) -> Self {
        self.shared.crashed.store(true, Ordering::SeqCst);
        Self { inner: self.inner.clone(), shared: Arc::default() }
    }

    /// Makes all requests fail, or succeed again.
    pub(crate) fn set_failing(&self, fails: bool) {
        self.shared.fails.store(fails, Ordering::SeqCst);
    }

    /// True if the acknowledgement of a post is stored.
    pub(crate) async fn has(&self, account: &AccountName, post: &PostId) -> bool {
        let records = self.inner.load(account).await.unwrap();
        records.channels.values().any(|channel| channel.since.iter().any(|(_, id)| id == post))
    }

    pub(crate) fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::SeqCst)
    }

    /// Returns the response of a crashed or failing store.
    fn failure<T: Send + 'static>(&self) -> Option<BoxFuture<'static, Result<T, StoreError>>> {
        if self.shared.crashed.load(Ordering::SeqCst) {
            return Some(pending().boxed());
        }
        let fails = self.shared.fails.load(Ordering::SeqCst);
        fails.then(|| ready(Err(StoreError { message: "the disk is full".into() })).boxed())
    }
}

impl CursorStore for CrashStore {
    fn load(&self, account: &AccountName) -> BoxFuture<'static, Result<Records, StoreError>> {
        self.failure().unwrap_or_else(|| self.inner.load(account))
    }

    fn commit(&self, account: &AccountName, changes: Records) -> BoxFuture<'static, Result<(), StoreError>> {
        self.shared.commits.fetch_add(1, Ordering::SeqCst);
        self.failure().unwrap_or_else(|| self.inner.commit(account, changes))
    }

    fn forget(&self, account: &AccountName) -> BoxFuture<'static, Result<(), StoreError>> {
        self.failure().unwrap_or_else(|| self.inner.forget(account))
    }
}
