use std::{collections::HashMap, future::ready, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;

use super::{CursorStore, StoreError};
use crate::model::{AccountName, Changes, Records};

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

    fn commit(&self, account: &AccountName, changes: Changes) -> BoxFuture<'static, Result<(), StoreError>> {
        let is_applied = self.accounts.lock().entry(account.clone()).or_default().put(changes);
        ready(if is_applied { Ok(()) } else { Err(StoreError::not_stored(account)) }).boxed()
    }

    fn keeps_values(&self) -> bool {
        true
    }

    fn forget(&self, account: &AccountName) -> BoxFuture<'static, Result<(), StoreError>> {
        self.accounts.lock().remove(account);
        ready(Ok(())).boxed()
    }
}
