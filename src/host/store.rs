//! Opens the store that the configuration names.

use std::sync::Arc;

use matterhost_actors::ports::CursorStore;

use crate::{
    config::StateConfig,
    store::{DiskError, DiskSettings, DiskStore},
};

/// The store of this run.
#[derive(Debug)]
pub(crate) enum Store {
    /// Nothing outlives the process.
    Memory,
    Disk(DiskStore),
}

impl Store {
    /// Opens it; blocks for as long as that takes.
    pub(crate) fn open(config: &StateConfig) -> Result<Self, DiskError> {
        match config {
            StateConfig::Memory => {
                tracing::info!("cursors are kept in memory; what is posted between two runs is not fetched");
                Ok(Self::Memory)
            }
            StateConfig::Disk { dir, fsync } => {
                let store = DiskStore::open(dir, DiskSettings { fsync: *fsync })?;
                tracing::info!(file = %store.path().display(), fsync, "cursors are kept on disk");
                Ok(Self::Disk(store))
            }
        }
    }

    /// The store as its port, where there is one: the actors remember for as long as they live without it.
    pub(crate) fn cursors(&self) -> Option<Arc<dyn CursorStore>> {
        match self {
            Self::Memory => None,
            Self::Disk(store) => Some(Arc::new(store.clone())),
        }
    }

    /// Closes it when all is committed.
    pub(crate) async fn close(&self) {
        if let Self::Disk(store) = self
            && let Err(error) = store.close().await
        {
            tracing::error!("the store was not closed well: {error}");
        }
    }
}
