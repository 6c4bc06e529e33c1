//! The space on the disk for files on their way to a server.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::api_error::ApiError;

/// The most files that are uploaded at once: more would only share the bandwidth. Each holds a connection, of which half stay
/// free for others.
pub(super) const MAX_UPLOADS: usize = 16;

/// The most KiB of all these files together, 4 GiB: the limit of a file is the server's to choose, and the disk is that of the
/// state, which needs room for more than files.
const MAX_KIB: usize = 4 * 1024 * 1024;

/// The `Retry-After` when there is no room.
const RETRY: Duration = Duration::from_secs(2);

/// The space for the files of all uploads. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct UploadSpace {
    slots: Arc<Semaphore>,
    kib: Arc<Semaphore>,
}

/// An upload's turn. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct UploadPermit {
    _slot: Arc<OwnedSemaphorePermit>,
    kib: Arc<Semaphore>,
}

/// The space that a file takes until it is dropped.
#[derive(Debug)]
pub(super) struct FileSpace {
    permit: UploadPermit,
    taken: Option<OwnedSemaphorePermit>,
}

impl UploadSpace {
    /// Returns space for so many uploads at once.
    pub(super) fn new(uploads: usize) -> Self {
        Self::with_kib(uploads, MAX_KIB)
    }

    fn with_kib(uploads: usize, kib: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(uploads)), kib: Arc::new(Semaphore::new(kib)) }
    }

    /// Begins an upload.
    pub(super) fn begin(&self) -> Result<UploadPermit, ApiError> {
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        let slot = slot.map_err(|_| ApiError::busy("too many files are being uploaded", RETRY))?;
        Ok(UploadPermit { _slot: Arc::new(slot), kib: Arc::clone(&self.kib) })
    }
}

impl UploadPermit {
    /// Returns the space of a file that has no bytes yet.
    pub(super) fn file(&self) -> FileSpace {
        FileSpace { permit: self.clone(), taken: None }
    }
}

impl FileSpace {
    /// Takes space for further bytes, before they are written.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), ApiError> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.permit.kib).try_acquire_many_owned(kib);
        let more =
            more.map_err(|_| ApiError::busy("the files that are being uploaded fill their space", RETRY))?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_and_their_bytes_are_limited_until_they_end() {
        let space = UploadSpace::with_kib(2, 10);
        let (first, second) = (space.begin().unwrap(), space.begin().unwrap());
        assert!(space.begin().is_err());
        let (mut large, mut other) = (first.file(), second.file());
        large.take(4 * 1024).unwrap();
        large.take(4 * 1024 + 1).unwrap();
        assert!(other.take(1024 + 1).is_err());
        other.take(1024).unwrap();
        drop(large);
        other.take(9 * 1024).unwrap();
        drop((first, other));
        let mut whole = space.begin().unwrap().file();
        whole.take(10 * 1024).unwrap();
    }
}
