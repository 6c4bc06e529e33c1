//! The store for tests and for hosts without state.

use std::{collections::HashMap, future::ready, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;

use super::{CursorStore, StoreError};
use crate::model::{AccountName, Records};

/// Keeps everything in memory: it outlives a Supervisor, and not the process. Clones share what they keep.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    accounts: Arc<Mutex<HashMap<AccountName, Records>>>,
}

impl CursorStore for MemoryStore {
    fn load(&self, account: &AccountName) -> BoxFuture<'static, Result<Records, StoreError>> {
        let kept = self.accounts.lock().get(account).cloned().unwrap_or_default();
        ready(Ok(kept)).boxed()
    }

    fn commit(&self, account: &AccountName, changes: Records) -> BoxFuture<'static, Result<(), StoreError>> {
        self.accounts.lock().entry(account.clone()).or_default().put(changes);
        ready(Ok(())).boxed()
    }

    fn forget(&self, account: &AccountName) -> BoxFuture<'static, Result<(), StoreError>> {
        self.accounts.lock().remove(account);
        ready(Ok(())).boxed()
    }
}
