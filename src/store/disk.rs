//! The store on disk, as the port has it.

use std::{io, path::Path, sync::Arc, thread};

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use matterhost_actors::{
    model::{AccountName, Records},
    ports::{CursorStore, StoreError},
};
use tokio::sync::{
    mpsc::{Sender, channel, error::TrySendError},
    oneshot,
};

use super::{
    error::DiskError,
    file,
    writer::{Answer, Change, Request, Writer},
};

/// Requests that may wait for the disk: one commit for each of ten thousand accounts, as the port promises, and as
/// many again.
const QUEUE: usize = 20_000;

/// How the store on disk is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSettings {
    /// Whether a commit is answered only when the disk has it. Without it a commit outlives the process, but not a
    /// crash of the machine, which may leave a file that is refused as damaged.
    pub fsync: bool,
}

impl Default for DiskSettings {
    fn default() -> Self {
        Self { fsync: true }
    }
}

/// Keeps what accounts have acknowledged in one file, which no other process can use meanwhile. One thread of its own
/// writes: all commits that wait for it become one transaction. Clones share the file; when the last one is dropped
/// it is closed, a moment later.
#[derive(Debug, Clone)]
pub struct DiskStore {
    requests: Sender<Request>,
    path: Arc<Path>,
}

impl DiskStore {
    /// Opens the store of a directory, and makes both where there are none. It reads the whole file, and blocks the
    /// calling thread for it.
    ///
    /// # Errors
    /// When the file is in use, damaged, of a newer format, or cannot be read or written: it is then as it was.
    pub fn open(dir: &Path, settings: DiskSettings) -> Result<Self, DiskError> {
        let database = file::open_or_make(dir, settings.fsync)?;
        let path: Arc<Path> = file::path(dir).into();
        let (requests, asked) = channel(QUEUE);
        let writer = Writer::new(path.to_path_buf(), settings.fsync, database);
        let thread = thread::Builder::new().name("store".into()).spawn(move || writer.run(asked));
        thread.map_err(|error: io::Error| DiskError::of_io(&path, &error))?;
        Ok(Self { requests, path })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the file, after all that was asked for before. Whatever is asked for later fails. A store that is not
    /// closed is found whole too; it only takes longer to open.
    pub fn close(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        self.ask(Request::Close)
    }

    /// Asks the thread at once, whether or not anybody waits for the answer.
    fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(Answer<T>) -> Request,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (answer, answered) = oneshot::channel();
        let closed = DiskError::closed(&self.path);
        match self.requests.try_send(request(answer)) {
            Ok(()) => async { answered.await.unwrap_or_else(|_| Err(closed.into())) }.boxed(),
            Err(TrySendError::Full(_)) => ready(Err(DiskError::too_many(&self.path, QUEUE).into())).boxed(),
            Err(TrySendError::Closed(_)) => ready(Err(closed.into())).boxed(),
        }
    }
}

impl CursorStore for DiskStore {
    fn load(&self, account: &AccountName) -> BoxFuture<'static, Result<Records, StoreError>> {
        let account = account.clone();
        self.ask(|answer| Request::Load(account, answer))
    }

    fn commit(&self, account: &AccountName, changes: Records) -> BoxFuture<'static, Result<(), StoreError>> {
        let put = Change::Put(account.clone(), Box::new(changes));
        self.ask(|answer| Request::Change(put, answer))
    }

    fn forget(&self, account: &AccountName) -> BoxFuture<'static, Result<(), StoreError>> {
        let forget = Change::Forget(account.clone());
        self.ask(|answer| Request::Change(forget, answer))
    }
}
