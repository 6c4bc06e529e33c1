//! Errors of the store on disk, with remedies.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use crate::ports::StoreError;

/// An error of the store on disk. The stored data is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}; {remedy}", path.display())]
pub struct DiskError {
    /// The kind of error.
    pub kind: DiskErrorKind,
    /// The file, or the directory if that is the cause.
    pub path: PathBuf,
    /// A description of the problem.
    pub what: String,
    /// A suggestion how to fix it.
    pub remedy: String,
}

/// The kinds of errors of the store on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskErrorKind {
    /// Another process has the file open.
    InUse,
    /// The file is damaged or not a store. It is not changed.
    Damaged,
    /// A newer version of this program wrote the file.
    Newer,
    /// A row of one account cannot be read; the others can.
    Unreadable,
    /// The disk is full.
    Full,
    /// The user may not write there, or the file system is read-only.
    Unwritable,
    /// The file does not exist.
    Missing,
    /// Another error of the operating system.
    Failed,
    /// The store was closed, or its queue is full.
    Closed,
}

/// An error inside redb or the rows, without the path of the file.
#[derive(Debug)]
pub(super) enum Fault {
    Redb(Box<redb::Error>),
    /// The content is not what this program writes.
    Malformed(String),
    /// A row of an account cannot be read.
    Unreadable {
        account: String,
        what: String,
    },
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
    /// Adds the path of the file.
    pub(super) fn at(self, path: &Path) -> DiskError {
        match self {
            Self::Redb(error) => of_redb(path, *error),
            Self::Malformed(what) => damaged(path, &what),
            Self::Unreadable { account, what } => DiskError {
                kind: DiskErrorKind::Unreadable,
                path: path.into(),
                what,
                remedy: format!(
                    "stop matterhost and run `matterhost state forget {account}`: this account then starts from now, \
                     and the others keep their state; or restore a backup"
                ),
            },
            Self::Newer { found, known } => DiskError {
                kind: DiskErrorKind::Newer,
                path: path.into(),
                what: format!("the file has format {found}, but this program supports formats up to {known}"),
                remedy: "use the version of matterhost that wrote it, or a newer one".into(),
            },
            Self::Panicked => damaged(path, "reading it caused a panic"),
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
        what: format!("the file is damaged or not a matterhost store ({what}); it was not changed"),
        remedy: "restore a backup; or move the file away to start from now, without the posts made since the last run"
            .into(),
    }
}

fn failed(path: &Path, what: &str) -> DiskError {
    DiskError {
        kind: DiskErrorKind::Failed,
        path: path.into(),
        what: what.to_owned(),
        remedy: "check the disk and the system log; matterhost keeps trying".into(),
    }
}

impl DiskError {
    /// Converts an I/O error of a file or a directory.
    pub(super) fn of_io(path: &Path, error: &io::Error) -> Self {
        let (kind, remedy) = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                (DiskErrorKind::Full, "make room on that disk; matterhost keeps trying")
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => (
                DiskErrorKind::Unwritable,
                "allow the user that runs matterhost to write there, or name another directory ([state] dir)",
            ),
            ErrorKind::NotFound => (
                DiskErrorKind::Missing,
                "`matterhost run` creates it at its first start; or check [state] dir",
            ),
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists | ErrorKind::IsADirectory => {
                (DiskErrorKind::Unwritable, "name a directory of its own ([state] dir)")
            }
            // The file is shorter than its header says, or begins with something else.
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => return damaged(path, &error.to_string()),
            _ => return failed(path, &error.to_string()),
        };
        Self { kind, path: path.into(), what: error.to_string(), remedy: remedy.into() }
    }

    /// Creates the error of a file that is written too often to be copied.
    pub(super) fn changing(path: &Path, copies: usize) -> Self {
        Self {
            kind: DiskErrorKind::InUse,
            path: path.into(),
            what: format!("another process was writing it during each of {copies} attempts to copy it"),
            remedy: "try again when its accounts are less busy, or stop that process".into(),
        }
    }

    pub(super) fn closed(path: &Path) -> Self {
        Self {
            kind: DiskErrorKind::Closed,
            path: path.into(),
            what: "the store is closed".into(),
            remedy: "matterhost opens it at its next start".into(),
        }
    }

    pub(super) fn queue_full(path: &Path, limit: usize) -> Self {
        Self {
            kind: DiskErrorKind::Closed,
            path: path.into(),
            what: format!("the queue of {limit} requests is full"),
            remedy: "check whether the disk is slow or stuck; matterhost keeps trying".into(),
        }
    }
}

impl From<DiskError> for StoreError {
    fn from(error: DiskError) -> Self {
        Self { message: error.to_string() }
    }
}
