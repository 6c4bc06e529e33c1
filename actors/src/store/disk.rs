//! The store on disk as an implementation of the port [`CursorStore`].

use std::{io, path::Path, sync::Arc, thread};

use crate::{
    model::{AccountName, Changes, Records},
    ports::{CursorStore, StoreError},
};
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use tokio::sync::{
    mpsc::{Sender, channel, error::TrySendError},
    oneshot,
};

use super::{
    database_file,
    error::DiskError,
    store_requests::{Change, Reply, Request},
    writer::Writer,
};

/// Capacity of the queue of requests: one commit for each of ten thousand accounts, as the port promises, and as many
/// again.
const QUEUE_LIMIT: usize = 20_000;

/// The settings of the store on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSettings {
    /// True if a commit is answered only after it is on the disk. Otherwise it outlives the process, but not a crash
    /// of the machine, which may leave a file that is refused as damaged.
    pub fsync: bool,
}

impl Default for DiskSettings {
    fn default() -> Self {
        Self { fsync: true }
    }
}

/// A store of cursors in one file, locked against other processes.
///
/// A thread of its own writes; all commits that wait for it become one transaction. Clones share the file, which is
/// closed shortly after the last one is dropped.
#[derive(Debug, Clone)]
pub struct DiskStore {
    requests: Sender<Request>,
    path: Arc<Path>,
}

impl DiskStore {
    /// Opens the store of a directory, and creates the directory and the file if they do not exist. Reads the whole
    /// file, and blocks the calling thread meanwhile.
    ///
    /// # Errors
    /// Fails if the file is in use, damaged, of a newer format, or cannot be read or written. The file is unchanged then.
    pub fn open(dir: &Path, settings: DiskSettings) -> Result<Self, DiskError> {
        let database = database_file::open_or_create(dir, settings.fsync)?;
        let path: Arc<Path> = database_file::path(dir).into();
        let (requests, receiver) = channel(QUEUE_LIMIT);
        let writer = Writer::new(path.to_path_buf(), settings.fsync, database)?;
        let thread = thread::Builder::new().name("store".into()).spawn(move || writer.run(receiver));
        thread.map_err(|error: io::Error| DiskError::of_io(&path, &error))?;
        Ok(Self { requests, path })
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the file after all earlier requests; later requests fail. A store that is not closed is intact too, but
    /// takes longer to open.
    pub fn close(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        self.send(Request::Close)
    }

    /// Sends a request to the thread immediately, even if the returned future is never polled.
    fn send<T: Send + 'static>(
        &self,
        request: impl FnOnce(Reply<T>) -> Request,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (reply, answer) = oneshot::channel();
        let closed = DiskError::closed(&self.path);
        match self.requests.try_send(request(reply)) {
            Ok(()) => async { answer.await.unwrap_or_else(|_| Err(closed.into())) }.boxed(),
            Err(TrySendError::Full(_)) => {
                ready(Err(DiskError::queue_full(&self.path, QUEUE_LIMIT).into())).boxed()
            }
            Err(TrySendError::Closed(_)) => ready(Err(closed.into())).boxed(),
        }
    }
}

impl CursorStore for DiskStore {
    fn load(&self, account: &AccountName) -> BoxFuture<'static, Result<Records, StoreError>> {
        let account = account.clone();
        self.send(|reply| Request::Load(account, reply))
    }

    fn commit(&self, account: &AccountName, changes: Changes) -> BoxFuture<'static, Result<(), StoreError>> {
        let put = Change::Put(Box::new(changes));
        self.send(|reply| Request::Change(account.clone(), put, reply))
    }

    fn keeps_values(&self) -> bool {
        true
    }

    fn forget(&self, account: &AccountName) -> BoxFuture<'static, Result<(), StoreError>> {
        self.send(|reply| Request::Change(account.clone(), Change::Forget, reply))
    }
}
