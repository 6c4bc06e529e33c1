use std::{collections::HashMap, future::ready, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;

use super::{CursorStore, StoreError};
use crate::model::{AccountName, Records};

/// A store in memory, which outlives a Supervisor but not the process. Clones share their records.
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
