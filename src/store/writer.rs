//! The one thread that touches the file.

use std::{
    mem,
    path::PathBuf,
    time::{Duration, Instant},
};

use matterhost_actors::{
    model::{AccountName, Records},
    ports::StoreError,
};
use redb::{Database, ReadableDatabase as _};
use tokio::sync::{mpsc::Receiver, oneshot};

use super::{
    error::{DiskError, Fault},
    file, rows,
};

/// From one try to open the file again, after a failure, to the next: a full disk is asked often enough to go on
/// soon, and not so often that each waiting account costs a look at the whole file.
const OPEN_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Where an answer goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the thread can be asked.
pub(super) enum Request {
    Load(AccountName, Answer<Records>),
    Change(Change, Answer<()>),
    /// The last one: closes the file.
    Close(Answer<()>),
}

/// What can be done to what is kept.
pub(super) enum Change {
    Put(AccountName, Box<Records>),
    Forget(AccountName),
}

/// Owns the file.
pub(super) struct Writer {
    path: PathBuf,
    fsync: bool,
    state: State,
}

enum State {
    Open(Database),
    /// It failed, for this reason, and was last tried then.
    Failed(DiskError, Instant),
}

impl Writer {
    pub(super) fn new(path: PathBuf, fsync: bool, database: Database) -> Self {
        Self { path, fsync, state: State::Open(database) }
    }

    /// Serves until it is told to close, or nobody can ask any more.
    pub(super) fn run(mut self, mut requests: Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            // All that waits is one transaction; what comes meanwhile is the next. The queue bounds it.
            let waiting = requests.len();
            let mut batch = vec![first];
            batch.extend((0..waiting).map_while(|_| requests.try_recv().ok()));
            if let Some(answer) = self.serve(batch) {
                // Whoever asked may be gone, here and below.
                let _ = answer.send(self.close().map_err(StoreError::from));
                return;
            }
        }
        // Whether it was closed well the next one who opens it finds out.
        let _ = self.close();
    }

    /// Answers all but the wish to close, which it gives back.
    fn serve(&mut self, batch: Vec<Request>) -> Option<Answer<()>> {
        let (mut changes, mut waiting) = (Vec::new(), Vec::new());
        let (mut loads, mut close) = (Vec::new(), None);
        for request in batch {
            match request {
                Request::Change(change, answer) => {
                    changes.push(change);
                    waiting.push(answer);
                }
                Request::Load(account, answer) => loads.push((account, answer)),
                Request::Close(answer) => close = Some(answer),
            }
        }
        if !changes.is_empty() {
            let result = self.with(|database| change(database, &changes)).map_err(StoreError::from);
            for answer in waiting {
                let _ = answer.send(result.clone());
            }
        }
        for (account, answer) in loads {
            let loaded = self.with(|database| rows::load(&database.begin_read()?, &account));
            let _ = answer.send(loaded.map_err(StoreError::from));
        }
        close
    }

    /// Does something with the open file. After a failure that is not a row's own it is closed, and opened again
    /// before the next try: redb does no more with a file that failed it once.
    fn with<T>(&mut self, f: impl FnOnce(&Database) -> Result<T, Fault>) -> Result<T, DiskError> {
        self.open_again()?;
        let database = match &self.state {
            State::Open(database) => database,
            State::Failed(error, _) => return Err(error.clone()),
        };
        file::guarded(|| f(database)).map_err(|fault| {
            let of_a_row = matches!(fault, Fault::Strange(_));
            let error = fault.at(&self.path);
            if !of_a_row {
                let failed = mem::replace(&mut self.state, State::Failed(error.clone(), Instant::now()));
                // To close what failed may fail again, and says nothing new.
                let _ = file::guarded(|| {
                    drop(failed);
                    Ok(())
                });
            }
            error
        })
    }

    fn open_again(&mut self) -> Result<(), DiskError> {
        let State::Failed(error, tried) = &self.state else { return Ok(()) };
        if tried.elapsed() < OPEN_AGAIN_AFTER {
            return Err(error.clone());
        }
        match file::open(&self.path, self.fsync) {
            Ok(database) => {
                self.state = State::Open(database);
                Ok(())
            }
            Err(error) => {
                self.state = State::Failed(error.clone(), Instant::now());
                Err(error)
            }
        }
    }

    fn close(self) -> Result<(), DiskError> {
        match self.state {
            State::Open(database) => {
                file::guarded(|| Ok(database.close()?)).map_err(|fault| fault.at(&self.path))
            }
            State::Failed(error, _) => Err(error),
        }
    }
}

/// All changes in one transaction, in the order in which they were asked for.
fn change(database: &Database, changes: &[Change]) -> Result<(), Fault> {
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
