//! Operations on a store beside a host, for `matterhost check` and `matterhost state`.

use std::{env, fs, path::Path};

use crate::model::AccountName;
use redb::ReadableDatabase as _;

use super::{
    database_file::{self, catch_panic},
    error::{DiskError, DiskErrorKind},
    rows::{self, StoredAccount, Tables},
};

/// The copies of a file in use that are tried: one commit takes far less than the time between two.
const MAX_COPIES: usize = 5;

/// The status of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreStatus {
    /// The store does not exist, and can be created.
    New,
    /// The store is intact and not in use.
    Usable,
    /// Another process is using the store.
    InUse,
}

/// Inspects the store of a directory without changing anything.
///
/// # Errors
/// Fails if the store cannot be used or created.
pub fn inspect(dir: &Path) -> Result<StoreStatus, DiskError> {
    let path = database_file::path(dir);
    if path.try_exists().map_err(|error| DiskError::of_io(&path, &error))? {
        return match database_file::open_read_only(&path) {
            Ok(_) => Ok(StoreStatus::Usable),
            Err(error) if error.kind == DiskErrorKind::InUse => Ok(StoreStatus::InUse),
            Err(error) => Err(error),
        };
    }
    // The nearest existing directory is the one that must be writable.
    let nearest = dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("."));
    let nearest = if nearest.as_os_str().is_empty() { Path::new(".") } else { nearest };
    // An unnamed file, deleted when it is dropped.
    tempfile::tempfile_in(nearest).map_err(|error| DiskError::of_io(nearest, &error))?;
    Ok(StoreStatus::New)
}

/// Lists the stored accounts without changing anything. While a host uses the store, a copy of it is read.
///
/// # Errors
/// Fails if the store does not exist or cannot be read.
pub fn list(dir: &Path) -> Result<Vec<StoredAccount>, DiskError> {
    let path = database_file::path(dir);
    match list_file(&path) {
        Err(error) if error.kind == DiskErrorKind::InUse => list_copy(&path),
        result => result,
    }
}

fn list_file(path: &Path) -> Result<Vec<StoredAccount>, DiskError> {
    let database = database_file::open_read_only(path)?;
    catch_panic(|| rows::list(&database.begin_read()?)).map_err(|fault| fault.at(path))
}

/// Lists the accounts in a copy of a file that is being written. A commit may fall into the copying; the checksums of
/// the file tell, and another copy is made.
fn list_copy(path: &Path) -> Result<Vec<StoredAccount>, DiskError> {
    for _ in 0..MAX_COPIES {
        match list_one_copy(path) {
            Err(error) if error.kind == DiskErrorKind::Damaged => {}
            result => return result,
        }
    }
    Err(DiskError::changing(path, MAX_COPIES))
}

fn list_one_copy(path: &Path) -> Result<Vec<StoredAccount>, DiskError> {
    let dir = env::temp_dir();
    let copy = tempfile::NamedTempFile::new_in(&dir).map_err(|error| DiskError::of_io(&dir, &error))?;
    fs::copy(path, copy.path()).map_err(|error| {
        let full = DiskError::of_io(&dir, &error);
        if full.kind == DiskErrorKind::Full { full } else { DiskError::of_io(path, &error) }
    })?;
    list_file(copy.path()).map_err(|error| DiskError { path: path.into(), ..error })
}

/// Forgets an account. Returns false if nothing was stored for it.
///
/// # Errors
/// Fails if the store does not exist, is in use, or cannot be written.
pub fn forget(dir: &Path, account: &AccountName) -> Result<bool, DiskError> {
    let path = database_file::path(dir);
    let database = database_file::open(&path, true)?;
    let forgotten = catch_panic(|| {
        let transaction = database.begin_write()?;
        let had_values = rows::value_rows::forget(&transaction, account)?;
        let found = Tables::open(&transaction)?.forget(account)? || had_values;
        transaction.commit()?;
        Ok(found)
    });
    let closed = catch_panic(|| Ok(database.close()?));
    let forgotten = forgotten.and_then(|forgotten| closed.map(|()| forgotten));
    forgotten.map_err(|fault| fault.at(&path))
}
