//! What can be asked of a store by somebody who does not run accounts from it.

use std::path::Path;

use matterhost_actors::model::AccountName;
use redb::ReadableDatabase as _;

use super::{
    Kept,
    error::{DiskError, DiskErrorKind},
    file::{self, guarded},
    rows,
};

/// How a store looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// There is none yet, and one can be made.
    New,
    /// It is there, whole and free.
    Usable,
    /// Another process is using it.
    InUse,
}

/// Looks whether a directory can be used, without changing anything.
///
/// # Errors
/// When it cannot.
pub fn look(dir: &Path) -> Result<Look, DiskError> {
    let path = file::path(dir);
    if path.try_exists().map_err(|error| DiskError::of_io(&path, &error))? {
        return match file::open_to_look(&path) {
            Ok(_) => Ok(Look::Usable),
            Err(error) if error.kind == DiskErrorKind::InUse => Ok(Look::InUse),
            Err(error) => Err(error),
        };
    }
    // The nearest directory that is there is where something would be made.
    let nearest = dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("."));
    let nearest = if nearest.as_os_str().is_empty() { Path::new(".") } else { nearest };
    // Nameless, and gone when it is dropped.
    tempfile::tempfile_in(nearest).map_err(|error| DiskError::of_io(nearest, &error))?;
    Ok(Look::New)
}

/// What is kept of every account, in short; nothing is changed.
///
/// # Errors
/// When there is no store, it is in use, or cannot be read.
pub fn list(dir: &Path) -> Result<Vec<Kept>, DiskError> {
    let path = file::path(dir);
    let database = file::open_to_look(&path)?;
    guarded(|| rows::list(&database.begin_read()?)).map_err(|fault| fault.at(&path))
}

/// Forgets an account, and says whether anything was kept of it.
///
/// # Errors
/// When there is no store, it is in use, or cannot be written.
pub fn forget(dir: &Path, account: &AccountName) -> Result<bool, DiskError> {
    let path = file::path(dir);
    let database = file::open(&path, true)?;
    let forgotten = guarded(|| {
        let transaction = database.begin_write()?;
        let found = rows::forget(&transaction, account)?;
        transaction.commit()?;
        Ok(found)
    });
    let closed = guarded(|| Ok(database.close()?));
    let forgotten = forgotten.and_then(|forgotten| closed.map(|()| forgotten));
    forgotten.map_err(|fault| fault.at(&path))
}
