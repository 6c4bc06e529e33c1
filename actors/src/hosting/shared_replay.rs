//! The memory of one account, shared by what runs for it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::{
    model::AccountName,
    policy::{ReplaySettings, ReplayState},
    ports::{CursorStore, StoreError},
};

/// The memory of one account. It outlives its Connections and a Delivery that dies, and by its store the process. The
/// lock is held for a look-up, never across a wait.
#[derive(Clone)]
pub(super) struct SharedReplay(Arc<Inner>);

struct Inner {
    replay: Mutex<ReplayState>,
    /// Where it is kept, if anywhere.
    store: Option<Arc<dyn CursorStore>>,
    is_loaded: AtomicBool,
}

impl SharedReplay {
    pub(super) fn new(settings: ReplaySettings, store: Option<Arc<dyn CursorStore>>) -> Self {
        let is_loaded = AtomicBool::new(store.is_none());
        Self(Arc::new(Inner { replay: Mutex::new(ReplayState::new(settings)), store, is_loaded }))
    }

    pub(super) fn with<T>(&self, f: impl FnOnce(&mut ReplayState) -> T) -> T {
        // A panic while it was held leaves a book that is whole.
        f(&mut self.0.replay.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn store(&self) -> Option<&Arc<dyn CursorStore>> {
        self.0.store.as_ref()
    }

    /// Reads what was kept, once, before anything is written into the book.
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
