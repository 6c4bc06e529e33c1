//! The replay state of one account, shared by its actors.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;

use crate::{
    model::AccountName,
    policy::{ReplaySettings, ReplayState},
    ports::{CursorStore, StoreError},
};

/// The replay state of one account with its store. It outlives Connections and a dead Delivery; the store outlives the
/// process. The lock is never held across an `.await`.
#[derive(Clone)]
pub(super) struct SharedReplay(Arc<Inner>);

struct Inner {
    replay: Mutex<ReplayState>,
    store: Option<Arc<dyn CursorStore>>,
    is_loaded: AtomicBool,
}

impl SharedReplay {
    pub(super) fn new(settings: ReplaySettings, store: Option<Arc<dyn CursorStore>>) -> Self {
        let is_loaded = AtomicBool::new(store.is_none());
        Self(Arc::new(Inner { replay: Mutex::new(ReplayState::new(settings)), store, is_loaded }))
    }

    pub(super) fn with<T>(&self, f: impl FnOnce(&mut ReplayState) -> T) -> T {
        f(&mut self.0.replay.lock())
    }

    pub(super) fn store(&self) -> Option<&Arc<dyn CursorStore>> {
        self.0.store.as_ref()
    }

    /// Restores the state from the store. Does nothing after the first success.
    pub(super) async fn load(&self, account: &AccountName) -> Result<(), StoreError> {
        let Some(store) = self.store().filter(|_| !self.0.is_loaded.load(Ordering::Acquire)) else {
            return Ok(());
        };
        let records = store.load(account).await?;
        self.with(|replay| *replay = ReplayState::restore(*replay.settings(), records));
        self.0.is_loaded.store(true, Ordering::Release);
        Ok(())
    }
}
