//! The thread that owns the file.

use std::{
    fs, io, mem,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{model::AccountName, ports::StoreError};
use redb::{Database, ReadableDatabase as _};
use tokio::sync::mpsc::Receiver;

use super::{
    database_file,
    error::{DiskError, Fault},
    rows::{self, Tables},
    store_requests::{Batch, Change, Reply, Request, Requests},
    update_journal::Journal,
};

/// Time between two tries to reopen the file after a failure: short enough to continue soon once a full disk has room,
/// long enough that not every waiting account costs reading the whole file.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

/// The time for which a transaction waits for the commits of other accounts: they come at the same moments, within some
/// milliseconds.
const GATHER: Duration = Duration::from_millis(5);

/// The time since the last transaction with several requests after which none waits for others: an account alone is not
/// delayed.
const GATHERS_FOR: Duration = Duration::from_secs(1);

/// The state of the thread.
pub(super) struct Writer {
    path: PathBuf,
    fsync: bool,
    state: State,
    requests: Requests,
    /// The time of the last transaction with several requests.
    gathered: Option<Instant>,
}

enum State {
    Open(Box<OpenFile>),
    /// The last failure, and the time of the last try.
    Failed(DiskError, Instant),
}

struct OpenFile {
    database: Database,
    journal: Journal,
    /// The identity of the file when it was opened; `None` if it could not be told.
    id: Option<FileId>,
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
    pub(super) fn new(path: PathBuf, fsync: bool, database: Database) -> Result<Self, DiskError> {
        let state = State::open(&path, database)?;
        Ok(Self { path, fsync, state, requests: Requests::default(), gathered: None })
    }

    /// Serves requests until one to close the file, or until all senders are dropped.
    pub(super) fn run(mut self, mut requests: Receiver<Request>) {
        while self.receive(&mut requests) {
            let batch = self.requests.next_batch();
            if batch.changes.len() + batch.loads.len() > 1 {
                self.gathered = Some(Instant::now());
            }
            if let Some(reply) = self.serve(batch) {
                // The receiver may be dropped, here and below.
                let _ = reply.send(self.close().map_err(StoreError::from));
                return;
            }
        }
        // A failed close is detected and repaired at the next open.
        let _ = self.close();
    }

    /// Waits for requests, and takes all there are: they become one transaction, bounded by the queue. Returns false if
    /// there will be no more.
    fn receive(&mut self, requests: &mut Receiver<Request>) -> bool {
        if self.requests.is_empty() {
            let Some(first) = requests.blocking_recv() else { return false };
            self.requests.push(first);
            if self.gathered.is_some_and(|gathered| gathered.elapsed() < GATHERS_FOR) {
                sleep(GATHER);
            }
        }
        while let Ok(request) = requests.try_recv() {
            self.requests.push(request);
        }
        true
    }

    /// Answers all requests but one to close the file, whose reply it returns.
    fn serve(&mut self, batch: Batch) -> Option<Reply<()>> {
        if !batch.changes.is_empty() {
            self.commit(batch.changes);
        }
        for (account, reply) in batch.loads {
            let loaded = self.with_file(|file| {
                file.apply_journal_to(&account)?;
                rows::load(&file.database.begin_read()?, &account)
            });
            let _ = reply.send(loaded.map_err(StoreError::from));
        }
        batch.close
    }

    fn commit(&mut self, changes: Vec<(AccountName, Change, Option<Reply<()>>)>) {
        let (mut replies, mut to_store) = (Vec::new(), Vec::new());
        for (account, change, reply) in changes {
            replies.push((account.clone(), reply));
            to_store.push((account, change));
        }
        match self.with_file(|file| file.commit(to_store)) {
            Ok(stored) => {
                let mut a_part_is_refused = false;
                for ((account, reply), is_stored) in replies.into_iter().zip(stored) {
                    let result = if is_stored { Ok(()) } else { Err(StoreError::not_stored(&account)) };
                    match reply {
                        Some(reply) => drop(reply.send(result)),
                        None => a_part_is_refused |= !is_stored,
                    }
                }
                if a_part_is_refused {
                    self.fail_rests(&StoreError { message: "a part of the commit was refused".into() });
                }
            }
            Err(error) => {
                let error = StoreError::from(error);
                for reply in replies.into_iter().filter_map(|(_, reply)| reply) {
                    let _ = reply.send(Err(error.clone()));
                }
                self.fail_rests(&error);
            }
        }
    }

    fn fail_rests(&mut self, error: &StoreError) {
        for reply in self.requests.remove_rests() {
            let _ = reply.send(Err(error.clone()));
        }
    }

    /// Runs `f` on the open file. A failure other than a malformed row closes the file, and the next call reopens it,
    /// because redb refuses to use a file after an I/O error.
    fn with_file<T>(&mut self, f: impl FnOnce(&mut OpenFile) -> Result<T, Fault>) -> Result<T, DiskError> {
        self.reopen_if_failed()?;
        self.restore_if_removed()?;
        let file = match &mut self.state {
            State::Open(file) => file,
            State::Failed(error, _) => return Err(error.clone()),
        };
        database_file::catch_panic(|| f(file)).map_err(|fault| {
            let is_row_error = matches!(fault, Fault::Malformed(_) | Fault::Unreadable { .. });
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
        let opened = database_file::open(&self.path, self.fsync);
        match opened.and_then(|database| State::open(&self.path, database)) {
            Ok(state) => {
                self.state = state;
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
        let State::Open(open) = &self.state else { return Ok(()) };
        let Some(id) = open.id else { return Ok(()) };
        let file = self.path.display();
        match FileId::of(&self.path) {
            Ok(now) if now == id => return Ok(()),
            Ok(_) => {
                tracing::warn!(%file, "the state file was replaced while it was in use; the new one is used");
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                database_file::create(&self.path, |new| rows::copy(&open.database.begin_read()?, new))?;
                tracing::warn!(%file, "the state file was deleted while it was in use, and is written again");
            }
            Err(error) => return Err(DiskError::of_io(&self.path, &error)),
        }
        self.reopen()
    }

    fn close(mut self) -> Result<(), DiskError> {
        self.restore_if_removed()?;
        match self.state {
            State::Open(file) => database_file::catch_panic(|| Ok(file.database.close()?))
                .map_err(|fault| fault.at(&self.path)),
            State::Failed(error, _) => Err(error),
        }
    }
}

impl State {
    fn open(path: &Path, database: Database) -> Result<Self, DiskError> {
        let journal = Journal::open(&database).map_err(|fault| fault.at(path))?;
        let id = FileId::of(path).ok();
        Ok(Self::Open(Box::new(OpenFile { database, journal, id })))
    }
}

impl OpenFile {
    /// Commits the changes in one transaction. Returns, for each, false if it was refused because it updates a record that
    /// is not there.
    fn commit(&mut self, changes: Vec<(AccountName, Change)>) -> Result<Vec<bool>, Fault> {
        let transaction = self.database.begin_write()?;
        let mut tables = Tables::open(&transaction)?;
        let added = changes.iter().map(|(_, change)| change.size()).sum();
        self.journal.apply_oldest(&mut tables, added)?;
        let mut stored = Vec::with_capacity(changes.len());
        for (account, change) in changes {
            stored.push(match change {
                Change::Put(mut changes) | Change::PutRest(mut changes) => {
                    let values = mem::take(&mut changes.values);
                    let is_stored = self.journal.put(&mut tables, &account, *changes)?;
                    if is_stored {
                        rows::value_rows::put(&transaction, &account, values)?;
                    }
                    is_stored
                }
                Change::Forget => {
                    tables.forget(&account)?;
                    rows::value_rows::forget(&transaction, &account)?;
                    self.journal.forget(&account);
                    true
                }
            });
        }
        self.journal.finish(&transaction)?;
        drop(tables);
        transaction.commit()?;
        Ok(stored)
    }

    /// Applies the updates of an account to its records, before they are loaded.
    fn apply_journal_to(&mut self, account: &AccountName) -> Result<(), Fault> {
        if !self.journal.has_account(account) {
            return Ok(());
        }
        let transaction = self.database.begin_write()?;
        let mut tables = Tables::open(&transaction)?;
        self.journal.apply_account(&mut tables, account)?;
        self.journal.finish(&transaction)?;
        drop(tables);
        Ok(transaction.commit()?)
    }
}
