//! What outlives the process.

use std::{
    collections::HashMap,
    future::ready,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::model::{AccountName, Records};

/// Keeps what accounts have acknowledged, for the next process.
///
/// What it promises: a commit is whole or not at all, and when it is answered with success it outlives a kill of the
/// process; commits of one account take effect in the order in which they were asked for; nothing that was kept is
/// overwritten because it cannot be read; it never blocks the calling thread. What it is promised: the next commit
/// of an account is asked for when the last one is answered.
pub trait CursorStore: Send + Sync + 'static {
    /// All that is kept of an account; empty for one that is not known.
    fn load(&self, account: &AccountName) -> BoxFuture<'static, Result<Records, StoreError>>;

    /// Puts changes on what is kept of an account.
    fn commit(&self, account: &AccountName, changes: Records) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Forgets an account: it begins anew.
    fn forget(&self, account: &AccountName) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// A store could not do what it was asked. Nothing was changed by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// Which file, what is wrong, and how to mend it.
    pub message: String,
}

/// Keeps everything in memory: it outlives a Supervisor, and not the process. Clones share what they keep.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    accounts: Arc<Mutex<HashMap<AccountName, Records>>>,
}

impl MemoryStore {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<AccountName, Records>) -> T) -> T {
        // Each change is one call on a map: a panic leaves it whole.
        f(&mut self.accounts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CursorStore for MemoryStore {
    fn load(&self, account: &AccountName) -> BoxFuture<'static, Result<Records, StoreError>> {
        let kept = self.with(|accounts| accounts.get(account).cloned().unwrap_or_default());
        ready(Ok(kept)).boxed()
    }

    fn commit(&self, account: &AccountName, changes: Records) -> BoxFuture<'static, Result<(), StoreError>> {
        self.with(|accounts| accounts.entry(account.clone()).or_default().put(changes));
        ready(Ok(())).boxed()
    }

    fn forget(&self, account: &AccountName) -> BoxFuture<'static, Result<(), StoreError>> {
        self.with(|accounts| accounts.remove(account));
        ready(Ok(())).boxed()
    }
}
