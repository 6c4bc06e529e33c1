//! A store that can fail, and that can be left as a kill leaves it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use futures_util::future::{BoxFuture, FutureExt as _, pending, ready};
use matterhost_actors::{
    model::{AccountName, PostId, Records},
    ports::{CursorStore, MemoryStore, StoreError},
};

/// A store in memory, and what may befall it. Clones are the same store.
#[derive(Clone, Default)]
pub(crate) struct CrashStore {
    kept: MemoryStore,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    crashed: AtomicBool,
    fails: AtomicBool,
    commits: AtomicU64,
}

impl CrashStore {
    /// From now on nothing is kept and nobody is answered. Gives back the store as the next process finds it.
    pub(crate) fn crash(&self) -> Self {
        self.shared.crashed.store(true, Ordering::SeqCst);
        Self { kept: self.kept.clone(), shared: Arc::default() }
    }

    /// Whether it refuses to keep and to read anything.
    pub(crate) fn set_failing(&self, fails: bool) {
        self.shared.fails.store(fails, Ordering::SeqCst);
    }

    /// Whether the acknowledgement of a post is kept.
    pub(crate) async fn has(&self, account: &AccountName, post: &PostId) -> bool {
        let kept = self.kept.load(account).await.unwrap();
        kept.channels.values().any(|channel| channel.since.iter().any(|(_, id)| id == post))
    }

    pub(crate) fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::SeqCst)
    }

    /// What stands in the way of an answer.
    fn trouble<T: Send + 'static>(&self) -> Option<BoxFuture<'static, Result<T, StoreError>>> {
        if self.shared.crashed.load(Ordering::SeqCst) {
            return Some(pending().boxed());
        }
        let fails = self.shared.fails.load(Ordering::SeqCst);
        fails.then(|| ready(Err(StoreError { message: "the disk is full".into() })).boxed())
    }
}

impl CursorStore for CrashStore {
    fn load(&self, account: &AccountName) -> BoxFuture<'static, Result<Records, StoreError>> {
        self.trouble().unwrap_or_else(|| self.kept.load(account))
    }

    fn commit(&self, account: &AccountName, changes: Records) -> BoxFuture<'static, Result<(), StoreError>> {
        self.shared.commits.fetch_add(1, Ordering::SeqCst);
        self.trouble().unwrap_or_else(|| self.kept.commit(account, changes))
    }

    fn forget(&self, account: &AccountName) -> BoxFuture<'static, Result<(), StoreError>> {
        self.trouble().unwrap_or_else(|| self.kept.forget(account))
    }
}
