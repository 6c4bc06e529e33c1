//! The store that the configuration selects.

use std::{path::PathBuf, sync::Arc};

use matterhost_actors::{
    ports::CursorStore,
    store::{DiskError, DiskSettings, DiskStore},
};

use crate::config::{Config, StateConfig};

/// The file of the runs of bots' schedules, in the directory of the state; that of a host of the library, too.
const SCHEDULE_FILE: &str = "schedules.json";

/// Returns the file that keeps the runs of schedules, if one does. In a cluster none does: they are due where the account is.
pub(super) fn schedule_file(config: &Config) -> Option<PathBuf> {
    match &config.state {
        StateConfig::Disk { dir, .. } if config.cluster.is_none() => Some(dir.join(SCHEDULE_FILE)),
        StateConfig::Disk { .. } | StateConfig::Memory => None,
    }
}

/// The open store.
pub(super) enum Store {
    /// Cursors are lost when the process ends.
    Memory,
    Disk(DiskStore),
    /// All members of the cluster share the cursors.
    Cluster(Arc<dyn CursorStore>),
}

impl Store {
    /// Opens the store, and blocks the calling thread meanwhile.
    pub(super) fn open(config: &StateConfig) -> Result<Self, DiskError> {
        match config {
            StateConfig::Memory => {
                tracing::info!("cursors are kept in memory; posts made between two runs are not fetched");
                Ok(Self::Memory)
            }
            StateConfig::Disk { dir, fsync } => {
                let store = DiskStore::open(dir, DiskSettings { fsync: *fsync })?;
                tracing::info!(file = %store.path().display(), fsync, "cursors are kept on disk");
                Ok(Self::Disk(store))
            }
        }
    }

    /// Returns the store on disk as its port. Without one, the actors keep cursors only in memory.
    pub(super) fn cursors(&self) -> Option<Arc<dyn CursorStore>> {
        match self {
            Self::Memory => None,
            Self::Disk(store) => Some(Arc::new(store.clone())),
            Self::Cluster(store) => Some(Arc::clone(store)),
        }
    }

    /// Closes the store after all pending commits.
    pub(super) async fn close(&self) {
        if let Self::Disk(store) = self
            && let Err(error) = store.close().await
        {
            tracing::error!("cannot close the store: {error}");
        }
    }
}
