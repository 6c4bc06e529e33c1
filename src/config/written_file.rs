//! Files of the configuration that commands and the admin API write.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
};

use tempfile::NamedTempFile;

/// The mode of a file with a token.
pub const SECRET_MODE: u32 = 0o600;

/// Writes a file as one step that survives a power failure.
///
/// # Errors
/// Fails if the directory cannot be written; then the file is as before.
pub fn write_file(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    // It is readable by its owner only until it is complete.
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    if rustix::process::geteuid().is_root() {
        // The service that reads it may run as another user.
        let owner = fs::metadata(if path.exists() { path } else { directory })?;
        chown(file.path(), Some(owner.uid()), Some(owner.gid()))?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // A power failure must not bring the former file back.
    File::open(directory)?.sync_all()
}
