//! redb's access to the file: writing, or read-only with changes kept in memory.

use std::{fs::File, io, ops::Bound};

use parking_lot::Mutex;
use redb::{BackendError, DatabaseError, StorageBackend, backends::FileBackend};

use super::overlay::Overlay;

/// The destination of writes.
#[derive(Debug)]
pub(super) enum Access {
    /// Writes go to the file; with `fsync`, a commit waits for the disk.
    Write { fsync: bool },
    /// Writes stay in memory: the file is not changed by a single byte.
    ReadOnly,
}

/// A file as redb sees it. It is locked against other processes, read-only too.
#[derive(Debug)]
pub(super) struct Backend {
    file: FileBackend,
    fsync: bool,
    /// The writes that are kept in memory, for read-only access.
    overlay: Option<Mutex<Overlay>>,
}

impl Backend {
    pub(super) fn new(file: File, access: &Access) -> Result<Self, DatabaseError> {
        let file = FileBackend::new(file)?;
        Ok(match access {
            Access::Write { fsync } => Self { file, fsync: *fsync, overlay: None },
            Access::ReadOnly => {
                let overlay = Overlay::new(file.len()?);
                Self { file, fsync: false, overlay: Some(Mutex::new(overlay)) }
            }
        })
    }

    fn with_overlay<T>(&self, f: impl FnOnce(&mut Overlay) -> T) -> Option<T> {
        self.overlay.as_ref().map(|overlay| f(&mut overlay.lock()))
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.with_overlay(|overlay| Ok(overlay.len())).unwrap_or_else(|| self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let read_file = |offset: u64, out: &mut [u8]| self.file.read(offset, out);
        match &self.overlay {
            Some(overlay) => overlay.lock().read(offset, out, read_file),
            None => self.file.read(offset, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with_overlay(|overlay| overlay.set_len(len)).map_or_else(|| self.file.set_len(len), Ok)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.fsync { self.file.sync_data() } else { Ok(()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let read_file = |offset: u64, out: &mut [u8]| self.file.read(offset, out);
        let written = self.with_overlay(|overlay| overlay.write(offset, data, read_file));
        written.unwrap_or_else(|| self.file.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{io::pipe, os::fd::OwnedFd};

    use super::*;

    #[test]
    fn only_fsync_waits_for_the_disk() {
        // A pipe cannot be synced, so an error means that a sync was tried.
        let synced = |access: &Access| {
            let (_reader, writer) = pipe().unwrap();
            Backend::new(File::from(OwnedFd::from(writer)), access).unwrap().sync_data()
        };
        assert!(synced(&Access::Write { fsync: true }).is_err());
        assert!(synced(&Access::Write { fsync: false }).is_ok());
        assert!(synced(&Access::ReadOnly).is_ok());
    }
}
