//! What can be wrong with the store on disk, and what to do about it.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use matterhost_actors::ports::StoreError;

/// The store on disk could not be used, or not do what it was asked. What was kept is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}; {remedy}", path.display())]
pub struct DiskError {
    /// What kind of trouble it is.
    pub kind: DiskErrorKind,
    /// The file, or the directory where that is the trouble.
    pub path: PathBuf,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub remedy: String,
}

/// The kinds of trouble with the store on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskErrorKind {
    /// Another process has the file open.
    InUse,
    /// It is no store, or was damaged. It is left as it is.
    Damaged,
    /// A newer version of this program wrote it.
    Newer,
    /// There is no room on the disk.
    Full,
    /// This user may not write there, or nobody may.
    Unwritable,
    /// There is no such file.
    Missing,
    /// The system could not do it, for another reason.
    Failed,
    /// The store was closed, or its queue is full.
    Closed,
}

/// What went wrong within, before it is known which file it was.
#[derive(Debug)]
pub(super) enum Fault {
    Redb(Box<redb::Error>),
    /// What is in the file is not what this program writes.
    Strange(String),
    Newer {
        found: u64,
        known: u64,
    },
    Panicked,
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Redb(Box::new(error.into()))
    }
}

impl Fault {
    /// Says it of a file.
    pub(super) fn at(self, path: &Path) -> DiskError {
        match self {
            Self::Redb(error) => of_redb(path, *error),
            Self::Strange(what) => damaged(path, &what),
            Self::Newer { found, known } => DiskError {
                kind: DiskErrorKind::Newer,
                path: path.into(),
                what: format!("it is of format {found}, and this program knows those up to {known}"),
                remedy: "use the version of matterhost that wrote it, or a newer one".into(),
            },
            Self::Panicked => damaged(path, "reading it failed in a way that no good file makes it fail"),
        }
    }
}

fn of_redb(path: &Path, error: redb::Error) -> DiskError {
    match error {
        redb::Error::Io(error) => DiskError::of_io(path, &error),
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => DiskError {
            kind: DiskErrorKind::InUse,
            path: path.into(),
            what: "another process is using it".into(),
            remedy: "stop that process, or give this one a directory of its own ([state] dir)".into(),
        },
        redb::Error::PreviousIo | redb::Error::DatabaseClosed | redb::Error::Backend(_) => {
            failed(path, &error.to_string())
        }
        error => damaged(path, &error.to_string()),
    }
}

fn damaged(path: &Path, what: &str) -> DiskError {
    DiskError {
        kind: DiskErrorKind::Damaged,
        path: path.into(),
        what: format!("it is damaged, or no store of matterhost ({what}), and was left as it is"),
        remedy: "put a backup in its place; or move it away to begin anew, without what was posted meanwhile"
            .into(),
    }
}

fn failed(path: &Path, what: &str) -> DiskError {
    DiskError {
        kind: DiskErrorKind::Failed,
        path: path.into(),
        what: what.to_owned(),
        remedy: "look at the disk and at the system's log; it is tried again".into(),
    }
}

impl DiskError {
    /// What the system said of a file or a directory.
    pub(super) fn of_io(path: &Path, error: &io::Error) -> Self {
        let (kind, remedy) = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                (DiskErrorKind::Full, "make room on that disk; it is tried again")
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => (
                DiskErrorKind::Unwritable,
                "give the user that runs matterhost the right to write there, or name another directory ([state] dir)",
            ),
            ErrorKind::NotFound => (
                DiskErrorKind::Missing,
                "`matterhost run` makes it at its first start; or look at [state] dir",
            ),
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists | ErrorKind::IsADirectory => {
                (DiskErrorKind::Unwritable, "name a directory of its own for it ([state] dir)")
            }
            // The file ends before what it speaks of, or begins with something else.
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => return damaged(path, &error.to_string()),
            _ => return failed(path, &error.to_string()),
        };
        Self { kind, path: path.into(), what: error.to_string(), remedy: remedy.into() }
    }

    pub(super) fn closed(path: &Path) -> Self {
        Self {
            kind: DiskErrorKind::Closed,
            path: path.into(),
            what: "the store is closed".into(),
            remedy: "it is opened when matterhost starts".into(),
        }
    }

    pub(super) fn too_many(path: &Path, limit: usize) -> Self {
        Self {
            kind: DiskErrorKind::Closed,
            path: path.into(),
            what: format!("{limit} requests wait for the disk already"),
            remedy: "is the disk slow, or stuck? it is tried again".into(),
        }
    }
}

impl From<DiskError> for StoreError {
    fn from(error: DiskError) -> Self {
        Self { message: error.to_string() }
    }
}
