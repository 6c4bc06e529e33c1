//! Opens the file, or makes it, and never leaves one half made.

use std::{
    fs::{self, File, OpenOptions},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use redb::{Database, ReadableDatabase as _};

use super::{
    backend::{Access, Backend},
    error::{DiskError, DiskErrorKind, Fault},
    format, rows,
};

/// What the file is called in its directory.
pub const FILE_NAME: &str = "cursors.redb";

/// redb's own memory of pages, in bytes. Its default is a gigabyte; what is read once at a start and written in
/// small commits needs the upper pages of a few trees.
const CACHE: usize = 16 << 20;

/// How long a file that is in use is asked for again: as long as a process that is just ending, or a check that is
/// just looking, may hold it.
const PATIENCE: Duration = Duration::from_secs(2);
/// From one such try to the next.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// The file of a directory.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

/// Opens the store of a directory, and makes both where there are none.
pub(super) fn open_or_make(dir: &Path, fsync: bool) -> Result<Database, DiskError> {
    make_dir(dir).map_err(|error| DiskError::of_io(dir, &error))?;
    let path = path(dir);
    if !path.try_exists().map_err(|error| DiskError::of_io(&path, &error))? {
        make(dir, &path)?;
    }
    open_patiently(|| open(&path, fsync))
}

/// Opens what may be held for a moment by somebody else.
fn open_patiently<T>(open: impl Fn() -> Result<T, DiskError>) -> Result<T, DiskError> {
    let start = Instant::now();
    loop {
        match open() {
            Err(error) if error.kind == DiskErrorKind::InUse && start.elapsed() < PATIENCE => {
                sleep(TRY_EVERY);
            }
            result => return result,
        }
    }
}

/// Opens a store that is there. It is looked at first, as a whole, without being changed: redb repairs what a crash
/// left, and would write to what is damaged before it knows.
pub(super) fn open(path: &Path, fsync: bool) -> Result<Database, DiskError> {
    drop(open_to_look(path)?);
    open_as(path, &Access::Write { fsync })
}

/// Opens a store so that nothing reaches the file; it is locked all the same.
pub(super) fn open_to_look(path: &Path) -> Result<Database, DiskError> {
    open_as(path, &Access::Look)
}

fn open_as(path: &Path, access: &Access) -> Result<Database, DiskError> {
    let of_io = |error: io::Error| DiskError::of_io(path, &error);
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(of_io)?;
    if file.metadata().map_err(of_io)?.len() == 0 {
        // redb would begin a new store in it.
        return Err(Fault::Strange("it is empty".into()).at(path));
    }
    guarded(|| {
        let database = redb::Builder::new()
            .set_cache_size(CACHE)
            .set_check_integrity_on_open(matches!(access, Access::Look))
            .create_with_backend(Backend::new(file, access)?)?;
        format::bring_up(&database, format::STEPS)?;
        rows::look(&database.begin_read()?)?;
        Ok(database)
    })
    .map_err(|fault| fault.at(path))
}

/// redb promises errors for strange files and means it, but a file is the world outside: should it panic after all,
/// the process must not fall with it. What was in its hands is dropped.
pub(super) fn guarded<T>(f: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or(Err(Fault::Panicked))
}

/// Makes a store under another name and gives it its own when it is whole.
fn make(dir: &Path, path: &Path) -> Result<(), DiskError> {
    let of_io = |error: &io::Error| DiskError::of_io(dir, error);
    let made = tempfile::Builder::new().prefix(FILE_NAME).suffix(".new").tempfile_in(dir);
    let made = made.map_err(|error| of_io(&error))?;
    let file = made.reopen().map_err(|error| of_io(&error))?;
    guarded(|| fill(file)).map_err(|fault| fault.at(path))?;
    match made.persist_noclobber(path) {
        Ok(_) => {}
        // Another process was quicker; whether it is still there, the lock will tell.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(of_io(&error.error)),
    }
    // The name is on disk when its directory is.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| of_io(&error))
}

fn fill(file: File) -> Result<(), Fault> {
    let backend = Backend::new(file, &Access::Write { fsync: true })?;
    let database = redb::Builder::new().set_cache_size(CACHE).create_with_backend(backend)?;
    let transaction = database.begin_write()?;
    format::mark(&transaction, format::version(format::STEPS))?;
    rows::make(&transaction)?;
    transaction.commit()?;
    Ok(database.close()?)
}

#[cfg(unix)]
fn make_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    /// Ids of users and channels are nobody else's business.
    const OWNER_ONLY: u32 = 0o700;
    fs::DirBuilder::new().recursive(true).mode(OWNER_ONLY).create(dir)
}

#[cfg(not(unix))]
fn make_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let fault = guarded::<()>(|| panic!("a strange file")).unwrap_err();
        assert_eq!(fault.at(Path::new("cursors.redb")).kind, DiskErrorKind::Damaged);
    }
}
