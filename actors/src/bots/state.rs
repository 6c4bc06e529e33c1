//! The state on disk of a host, if the feature `disk-state` is on and the builder names a directory.

#[cfg(feature = "disk-state")]
use std::{path::Path, sync::Arc};

#[cfg(feature = "disk-state")]
use crate::{
    ports::CursorStore,
    store::{DiskError, DiskErrorKind, DiskSettings, DiskStore},
};

/// The open store on disk, to be closed at the end of the host.
#[derive(Debug, Default)]
pub(super) struct StateOnDisk {
    #[cfg(feature = "disk-state")]
    store: Option<DiskStore>,
}

#[cfg(feature = "disk-state")]
impl StateOnDisk {
    /// Opens the store in a directory, and returns it as its port, too.
    ///
    /// # Errors
    /// If it cannot be used: the file, the problem and how to fix it.
    pub(super) fn open(directory: &Path) -> Result<(Self, Arc<dyn CursorStore>), String> {
        let store = DiskStore::open(directory, DiskSettings::default()).map_err(|error| describe(&error))?;
        Ok((Self { store: Some(store.clone()) }, Arc::new(store)))
    }

    /// Closes the file, which then opens faster and is free for the next host.
    pub(super) async fn close(&self) {
        if let Some(store) = &self.store
            && let Err(error) = store.close().await
        {
            tracing::error!("cannot close the state: {error}");
        }
    }
}

#[cfg(not(feature = "disk-state"))]
impl StateOnDisk {
    /// Closes nothing.
    #[expect(clippy::unused_async, reason = "as with the feature")]
    pub(super) async fn close(&self) {}
}

/// Describes a problem. The store's own remedies name the configuration of the program.
#[cfg(feature = "disk-state")]
fn describe(error: &DiskError) -> String {
    let remedy = match error.kind {
        DiskErrorKind::InUse => {
            "stop the process that uses it, or name another directory in HostBuilder::state"
        }
        DiskErrorKind::Unwritable => {
            "allow the user of this process to write there, or name another directory in HostBuilder::state"
        }
        DiskErrorKind::Missing => "name another directory in HostBuilder::state",
        DiskErrorKind::Newer => "use the version of matterhost-actors that wrote it, or a newer one",
        DiskErrorKind::Full => "make room on that disk",
        DiskErrorKind::Damaged
        | DiskErrorKind::Unreadable
        | DiskErrorKind::Failed
        | DiskErrorKind::Closed => &error.remedy,
    };
    format!("{}: {}; {remedy}", error.path.display(), error.what)
}
