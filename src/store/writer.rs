//! The thread that owns the file.

use std::{
    fs, io, mem,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use matterhost_actors::{
    model::{AccountName, Records},
    ports::StoreError,
};
use redb::{Database, ReadableDatabase as _};
use tokio::sync::{mpsc::Receiver, oneshot};

use super::{
    database_file,
    error::{DiskError, Fault},
    rows,
};

/// Time between two tries to reopen the file after a failure: short enough to continue soon once a full disk has room,
/// long enough that not every waiting account costs reading the whole file.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

/// The sender of the answer to a request.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A request to the thread.
pub(super) enum Request {
    Load(AccountName, Reply<Records>),
    Change(Change, Reply<()>),
    /// Closes the file and ends the thread.
    Close(Reply<()>),
}

/// A change of the stored records of an account.
pub(super) enum Change {
    Put(AccountName, Box<Records>),
    Forget(AccountName),
}

/// The state of the thread.
pub(super) struct Writer {
    path: PathBuf,
    fsync: bool,
    state: State,
}

enum State {
    /// The open file, and its identity at that time; `None` if it could not be told.
    Open(Database, Option<FileId>),
    /// The last failure, and the time of the last try.
    Failed(DiskError, Instant),
}

/// The device and the inode of a file, which is the same file for as long as it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId(u64, u64);

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self(metadata.dev(), metadata.ino()))
    }
}

impl Writer {
    pub(super) fn new(path: PathBuf, fsync: bool, database: Database) -> Self {
        let id = FileId::of(&path).ok();
        Self { path, fsync, state: State::Open(database, id) }
    }

    /// Serves requests until one to close the file, or until all senders are dropped.
    pub(super) fn run(mut self, mut requests: Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            // All waiting requests become one batch, bounded by the queue; later ones become the next.
            let waiting = requests.len();
            let mut batch = vec![first];
            batch.extend((0..waiting).map_while(|_| requests.try_recv().ok()));
            if let Some(reply) = self.serve(batch) {
                // The receiver may be dropped, here and below.
                let _ = reply.send(self.close().map_err(StoreError::from));
                return;
            }
        }
        // A failed close is detected and repaired at the next open.
        let _ = self.close();
    }

    /// Answers all requests but one to close the file, whose reply it returns.
    fn serve(&mut self, batch: Vec<Request>) -> Option<Reply<()>> {
        let (mut changes, mut waiting) = (Vec::new(), Vec::new());
        let (mut loads, mut close) = (Vec::new(), None);
        for request in batch {
            match request {
                Request::Change(change, reply) => {
                    changes.push(change);
                    waiting.push(reply);
                }
                Request::Load(account, reply) => loads.push((account, reply)),
                Request::Close(reply) => close = Some(reply),
            }
        }
        if !changes.is_empty() {
            let result = self.with_database(|database| commit(database, &changes)).map_err(StoreError::from);
            for reply in waiting {
                let _ = reply.send(result.clone());
            }
        }
        for (account, reply) in loads {
            let loaded = self.with_database(|database| rows::load(&database.begin_read()?, &account));
            let _ = reply.send(loaded.map_err(StoreError::from));
        }
        close
    }

    /// Runs `f` on the open file. A failure other than a malformed row closes the file, and the next call reopens it,
    /// because redb refuses to use a file after an I/O error.
    fn with_database<T>(&mut self, f: impl FnOnce(&Database) -> Result<T, Fault>) -> Result<T, DiskError> {
        self.reopen_if_failed()?;
        self.restore_if_removed()?;
        let database = match &self.state {
            State::Open(database, _) => database,
            State::Failed(error, _) => return Err(error.clone()),
        };
        database_file::catch_panic(|| f(database)).map_err(|fault| {
            let is_row_error = matches!(fault, Fault::Malformed(_));
            let error = fault.at(&self.path);
            if !is_row_error {
                let failed = mem::replace(&mut self.state, State::Failed(error.clone(), Instant::now()));
                // Closing may fail again for the same reason.
                let _ = database_file::catch_panic(|| {
                    drop(failed);
                    Ok(())
                });
            }
            error
        })
    }

    fn reopen_if_failed(&mut self) -> Result<(), DiskError> {
        let State::Failed(error, tried) = &self.state else { return Ok(()) };
        if tried.elapsed() < REOPEN_EVERY {
            return Err(error.clone());
        }
        self.reopen()
    }

    fn reopen(&mut self) -> Result<(), DiskError> {
        match database_file::open(&self.path, self.fsync) {
            Ok(database) => {
                self.state = State::Open(database, FileId::of(&self.path).ok());
                Ok(())
            }
            Err(error) => {
                self.state = State::Failed(error.clone(), Instant::now());
                Err(error)
            }
        }
    }

    /// Writes the file again if it was deleted: commits to the open file would succeed and be lost with the process. Another
    /// file in its place is used from now on, like a restored backup.
    fn restore_if_removed(&mut self) -> Result<(), DiskError> {
        let State::Open(database, Some(id)) = &self.state else { return Ok(()) };
        let file = self.path.display();
        match FileId::of(&self.path) {
            Ok(now) if now == *id => return Ok(()),
            Ok(_) => {
                tracing::warn!(%file, "the state file was replaced while it was in use; the new one is used");
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                database_file::create(&self.path, |new| rows::copy(&database.begin_read()?, new))?;
                tracing::warn!(%file, "the state file was deleted while it was in use, and is written again");
            }
            Err(error) => return Err(DiskError::of_io(&self.path, &error)),
        }
        self.reopen()
    }

    fn close(mut self) -> Result<(), DiskError> {
        self.restore_if_removed()?;
        match self.state {
            State::Open(database, _) => {
                database_file::catch_panic(|| Ok(database.close()?)).map_err(|fault| fault.at(&self.path))
            }
            State::Failed(error, _) => Err(error),
        }
    }
}

/// Commits the changes in one transaction, in the order of the requests.
fn commit(database: &Database, changes: &[Change]) -> Result<(), Fault> {
    let transaction = database.begin_write()?;
    for change in changes {
        match change {
            Change::Put(account, records) => rows::put(&transaction, account, records)?,
            Change::Forget(account) => {
                rows::forget(&transaction, account)?;
            }
        }
    }
    Ok(transaction.commit()?)
}
