//! The file of the token that the host generates when its configuration has none.

use std::{
    fs::{DirBuilder, File, Metadata, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::{fs::OFlags, process::geteuid};

use crate::config::{AdminToken, AdminTokenError, RandomError};

/// More than the longest token.
const MAX_FILE_BYTES: u64 = 4096;

/// The mode of a new directory: other users may not even list it.
const DIRECTORY_MODE: u32 = 0o700;

/// The permissions of other users than the owner.
const OTHER_USERS: u32 = 0o077;

/// The reason why a file cannot be used as that of the token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenFileError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is a directory, a pipe or something else.
    #[error("it is not a regular file")]
    Kind,
    /// It contains no token.
    #[error(transparent)]
    Content(#[from] AdminTokenError),
    /// Another user made it, and knows its content.
    #[error("it belongs to the user with id {0}")]
    Owner(u32),
    /// Other users can read or replace its content.
    #[error("its mode is {0:o}, so other users may have read it")]
    Mode(u32),
}

impl TokenFileError {
    /// True if there is no file yet.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads the token, for a client: a wrong one is refused by the host.
pub(super) fn read(path: &Path) -> Result<AdminToken, TokenFileError> {
    parse(open(path)?.0)
}

/// Reads the token, for the host: only if no other user can know it.
pub(crate) fn read_own(path: &Path) -> Result<AdminToken, TokenFileError> {
    let (file, metadata) = open(path)?;
    if metadata.uid() != geteuid().as_raw() {
        return Err(TokenFileError::Owner(metadata.uid()));
    }
    let mode = metadata.mode() & 0o777;
    if mode & OTHER_USERS != 0 {
        return Err(TokenFileError::Mode(mode));
    }
    parse(file)
}

/// Writes a new token in place of what is there. Only the user of this process can read the file.
pub(crate) fn write(path: &Path, token: &AdminToken) -> io::Result<()> {
    write_private(path, token.expose())
}

/// Writes a text in place of what is there. Only the user of this process can read the file.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
    // A temporary file has mode 0600 from the beginning.
    let mut file =
        tempfile::Builder::new().prefix("matterhost.token").suffix(".new").tempfile_in(directory)?;
    writeln!(file, "{text}")?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Returns the token of a file, or a new one, which replaces what cannot be used. The log calls it `what`.
///
/// # Errors
/// When the operating system gives no random bytes.
pub(super) fn load_or_generate(path: &Path, what: &str) -> Result<AdminToken, RandomError> {
    let file = path.display();
    match read_own(path) {
        Ok(token) => {
            tracing::info!(%file, "the {what} is in a file");
            return Ok(token);
        }
        Err(error) if error.is_missing() => {}
        Err(error) => tracing::warn!(%file, "a new {what} replaces this file: {error}"),
    }
    let token = AdminToken::generate()?;
    match write(path, &token) {
        Ok(()) => tracing::info!(%file, "the {what} is new, and in a file"),
        Err(error) => {
            tracing::warn!(%file, "the {what} is kept in memory: its file cannot be written ({error})");
        }
    }
    Ok(token)
}

/// Opens a regular file. Neither a symbolic link nor a pipe is followed or waited for.
fn open(path: &Path) -> Result<(File, Metadata), TokenFileError> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(TokenFileError::Kind) }
}

fn parse(file: File) -> Result<AdminToken, TokenFileError> {
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    Ok(AdminToken::new(&text)?)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    use super::*;

    #[test]
    fn a_written_token_is_read_back_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/admin.token");
        assert!(read_own(&path).unwrap_err().is_missing());
        let token = AdminToken::generate().unwrap();
        write(&path, &token).unwrap();
        assert!(
            read_own(&path).unwrap().matches(token.expose()) && read(&path).unwrap().matches(token.expose())
        );
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
        let next = AdminToken::generate().unwrap();
        write(&path, &next).unwrap();
        assert!(read_own(&path).unwrap().matches(next.expose()), "replaced");
    }

    #[test]
    fn a_file_that_others_could_know_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.token");
        write(&path, &AdminToken::generate().unwrap()).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(read_own(&path), Err(TokenFileError::Mode(found)) if found == mode));
        }
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(matches!(read_own(&link), Err(TokenFileError::Io(_))), "a link");
        assert!(matches!(read_own(dir.path()), Err(TokenFileError::Kind)), "a directory");
        for text in ["", "short", "two words of a text"] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(read_own(&path), Err(TokenFileError::Content(_))), "{text}");
        }
        // Only root may give a file to another user.
        if std::os::unix::fs::chown(&path, Some(4_242), None).is_ok() {
            assert!(matches!(read_own(&path), Err(TokenFileError::Owner(4_242))));
        }
    }
}
