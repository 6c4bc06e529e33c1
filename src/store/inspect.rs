//! Operations on a store that no host is using, for `matterhost check` and `matterhost state`.

use std::path::Path;

use matterhost_actors::model::AccountName;
use redb::ReadableDatabase as _;

use super::{
    database_file::{self, catch_panic},
    error::{DiskError, DiskErrorKind},
    rows::{self, StoredAccount, Tables},
};

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

/// Lists the stored accounts without changing anything.
///
/// # Errors
/// Fails if the store does not exist, is in use, or cannot be read.
pub fn list(dir: &Path) -> Result<Vec<StoredAccount>, DiskError> {
    let path = database_file::path(dir);
    let database = database_file::open_read_only(&path)?;
    catch_panic(|| rows::list(&database.begin_read()?)).map_err(|fault| fault.at(&path))
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
        let found = Tables::open(&transaction)?.forget(account)?;
        transaction.commit()?;
        Ok(found)
    });
    let closed = catch_panic(|| Ok(database.close()?));
    let forgotten = forgotten.and_then(|forgotten| closed.map(|()| forgotten));
    forgotten.map_err(|fault| fault.at(&path))
}
