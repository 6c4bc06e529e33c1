//! How redb reaches the file: for good, or only to look.

use std::{
    fs::File,
    io,
    ops::Bound,
    sync::{Mutex, PoisonError},
};

use redb::{BackendError, DatabaseError, StorageBackend, backends::FileBackend};

use super::overlay::Overlay;

/// What becomes of what is written.
#[derive(Debug)]
pub(super) enum Access {
    /// It goes to the file; `fsync` says whether the disk is waited for.
    Write { fsync: bool },
    /// It is held back: the file stays as it is, byte for byte.
    Look,
}

/// A file as redb sees it, locked against other processes either way.
#[derive(Debug)]
pub(super) struct Backend {
    file: FileBackend,
    fsync: bool,
    /// What was written, where it is held back.
    held: Option<Mutex<Overlay>>,
}

impl Backend {
    pub(super) fn new(file: File, access: &Access) -> Result<Self, DatabaseError> {
        let file = FileBackend::new(file)?;
        Ok(match access {
            Access::Write { fsync } => Self { file, fsync: *fsync, held: None },
            Access::Look => {
                let overlay = Overlay::new(file.len()?);
                Self { file, fsync: false, held: Some(Mutex::new(overlay)) }
            }
        })
    }

    fn held<T>(&self, f: impl FnOnce(&mut Overlay) -> T) -> Option<T> {
        // A panic in the middle leaves pieces that are nobody's but this look's.
        self.held.as_ref().map(|held| f(&mut held.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.held(|held| Ok(held.len())).unwrap_or_else(|| self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let below = |offset: u64, out: &mut [u8]| self.file.read(offset, out);
        match &self.held {
            Some(held) => held.lock().unwrap_or_else(PoisonError::into_inner).read(offset, out, below),
            None => self.file.read(offset, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let held = self.held(|held| held.set_len(len));
        held.map_or_else(|| self.file.set_len(len), Ok)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.fsync { self.file.sync_data() } else { Ok(()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let below = |offset: u64, out: &mut [u8]| self.file.read(offset, out);
        let held = self.held(|held| held.write(offset, data, below));
        held.unwrap_or_else(|| self.file.write(offset, data))
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
    fn the_disk_is_waited_for_only_when_that_is_wanted() {
        // A pipe cannot be synced, which shows whether it was tried.
        let synced = |access: &Access| {
            let (_reader, writer) = pipe().unwrap();
            Backend::new(File::from(OwnedFd::from(writer)), access).unwrap().sync_data()
        };
        assert!(synced(&Access::Write { fsync: true }).is_err());
        assert!(synced(&Access::Write { fsync: false }).is_ok());
        assert!(synced(&Access::Look).is_ok());
    }
}
