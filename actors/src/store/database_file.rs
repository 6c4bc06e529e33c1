//! Opening and creating the file. A partly created file never gets the final name.

use std::{
    fs::{self, File, OpenOptions},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use redb::{Database, ReadableDatabase as _, WriteTransaction};

use super::{
    database_access::{Access, Backend},
    error::{DiskError, DiskErrorKind, Fault},
    format_version, rows, update_journal,
};

/// Name of the file in its directory.
pub const FILE_NAME: &str = "cursors.redb";

/// Size of redb's page cache in bytes. The default is a gigabyte; a file that is read once at the start and written in
/// small commits needs only the upper pages of a few trees.
const CACHE_BYTES: usize = 16 << 20;

/// Time for which opening a file that is in use is retried: a process that is exiting or a check may hold it that long.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// Time between two such tries.
const RETRY_EVERY: Duration = Duration::from_millis(50);

/// Returns the path of the file in a directory.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

/// Opens the store of a directory, and creates both if they do not exist.
pub(super) fn open_or_create(dir: &Path, fsync: bool) -> Result<Database, DiskError> {
    let path = path(dir);
    if !path.try_exists().map_err(|error| DiskError::of_io(&path, &error))? {
        create(&path, |_| Ok(()))?;
    }
    retry_while_in_use(|| open(&path, fsync))
}

fn retry_while_in_use<T>(open: impl Fn() -> Result<T, DiskError>) -> Result<T, DiskError> {
    let start = Instant::now();
    loop {
        match open() {
            Err(error) if error.kind == DiskErrorKind::InUse && start.elapsed() < LOCK_TIMEOUT => {
                sleep(RETRY_EVERY);
            }
            result => return result,
        }
    }
}

/// Opens an existing store. Reads the whole file first without changing it, because redb repairs a file after a crash
/// and would write to a damaged one before noticing the damage.
pub(super) fn open(path: &Path, fsync: bool) -> Result<Database, DiskError> {
    drop(open_read_only(path)?);
    open_with(path, &Access::Write { fsync })
}

/// Opens a store so that no write reaches the file. The file is locked nevertheless.
pub(super) fn open_read_only(path: &Path) -> Result<Database, DiskError> {
    open_with(path, &Access::ReadOnly)
}

fn open_with(path: &Path, access: &Access) -> Result<Database, DiskError> {
    let of_io = |error: io::Error| DiskError::of_io(path, &error);
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(of_io)?;
    if file.metadata().map_err(of_io)?.len() == 0 {
        // redb would create a new store in it.
        return Err(Fault::Malformed("it is empty".into()).at(path));
    }
    catch_panic(|| {
        let database = redb::Builder::new()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(matches!(access, Access::ReadOnly))
            .create_with_backend(Backend::new(file, access)?)?;
        format_version::migrate(&database, format_version::STEPS)?;
        rows::check_tables(&database.begin_read()?)?;
        update_journal::apply_left(&database)?;
        Ok(database)
    })
    .map_err(|fault| fault.at(path))
}

/// Turns a panic into an error. redb should return errors for malformed files, but if it panics after all, the process
/// must survive.
pub(super) fn catch_panic<T>(f: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or(Err(Fault::Panicked))
}

/// Creates a store, and its directory, under a temporary name and renames it when it is complete. `write_rows` writes its first
/// rows.
pub(super) fn create(
    path: &Path,
    write_rows: impl FnOnce(&WriteTransaction) -> Result<(), Fault>,
) -> Result<(), DiskError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let of_io = |error: &io::Error| DiskError::of_io(dir, error);
    create_dir(dir).map_err(|error| of_io(&error))?;
    let temporary = tempfile::Builder::new().prefix(FILE_NAME).suffix(".new").tempfile_in(dir);
    let temporary = temporary.map_err(|error| of_io(&error))?;
    let file = temporary.reopen().map_err(|error| of_io(&error))?;
    catch_panic(|| initialize(file, write_rows)).map_err(|fault| fault.at(path))?;
    match temporary.persist_noclobber(path) {
        Ok(_) => {}
        // Another process was faster. If it is still running, the lock will show it.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(of_io(&error.error)),
    }
    // Syncing the directory makes the new name durable.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| of_io(&error))
}

fn initialize(
    file: File,
    write_rows: impl FnOnce(&WriteTransaction) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let backend = Backend::new(file, &Access::Write { fsync: true })?;
    let database = redb::Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend)?;
    let transaction = database.begin_write()?;
    format_version::set_version(&transaction, format_version::version(format_version::STEPS))?;
    rows::Tables::open(&transaction)?;
    transaction.open_table(update_journal::JOURNAL)?;
    write_rows(&transaction)?;
    transaction.commit()?;
    Ok(database.close()?)
}

#[cfg(unix)]
fn create_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    /// The ids of users and channels are private.
    const OWNER_ONLY: u32 = 0o700;
    fs::DirBuilder::new().recursive(true).mode(OWNER_ONLY).create(dir)
}

#[cfg(not(unix))]
fn create_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let fault = catch_panic::<()>(|| panic!("a malformed file")).unwrap_err();
        assert_eq!(fault.at(Path::new("cursors.redb")).kind, DiskErrorKind::Damaged);
    }
}
