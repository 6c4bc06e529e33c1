//! Files that are downloaded into the directory of a child process.

use std::io;

use matterhost_actors::{
    model::{Excerpt, ReplyError},
    ports::FileDownload,
};
use rustix::{
    fs::{AtFlags, statat},
    io::Errno,
};
use tokio::task::spawn_blocking;

use super::{
    file_dir::{FileDir, FileError, NO_WAY, split},
    partial_file::PartialFile,
};

/// The largest file that is downloaded, in bytes: more than servers take.
const MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// The reason for a path at which something is already. It may be the handler's own program.
const EXISTS: &str = "exists already; remove it first, or name another file";

/// The path of a new file below the directory of a child process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFilePath {
    pub(super) dir: FileDir,
    pub(super) path: String,
}

impl NewFilePath {
    /// Saves a download, which begins once there is a place for it. The file is there once it is complete, and never instead of
    /// another one.
    ///
    /// # Errors
    /// If the download fails or breaks off, or the file cannot be written.
    pub(super) async fn save(
        self,
        opening: impl Future<Output = Result<FileDownload, ReplyError>>,
    ) -> Result<(), ReplyError> {
        let creating = self.clone();
        let mut part = blocking(move || creating.create()).await?;
        let FileDownload { len, mut pieces, .. } = opening.await?;
        if len > MAX_BYTES {
            return Err(self.refused(&format!("cannot have {len} bytes; {MAX_BYTES} is the limit")));
        }
        let (broke_off, mut left) = (self.refused("is not complete: the download broke off"), len);
        while let Some(piece) = pieces.recv().await {
            let Ok(piece) = piece else { return Err(broke_off) };
            let Some(rest) = left.checked_sub(piece.len() as u64) else { return Err(broke_off) };
            left = rest;
            part = self.write(move || part.append(&piece)).await?;
        }
        if left > 0 {
            return Err(broke_off);
        }
        part = self.write(move || part.sync()).await?;
        blocking(move || self.publish(part)).await
    }

    fn create(self) -> Result<PartialFile, FileError> {
        let error = |errno| self.error(describe(errno));
        let parts = split(&self.path)?;
        let Some((name, above)) = parts.split_last() else { return Err(self.error(NO_WAY.into())) };
        let parent = self.dir.open_parent(above).map_err(error)?;
        // Before the download, although it may be there only afterwards.
        if statat(&parent, *name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(error(Errno::EXIST));
        }
        PartialFile::create(parent).map_err(error)
    }

    async fn write(
        &self,
        write: impl FnOnce() -> io::Result<PartialFile> + Send + 'static,
    ) -> Result<PartialFile, ReplyError> {
        let to = self.clone();
        blocking(move || write().map_err(|error| to.error(format!("cannot be written: {error}")))).await
    }

    /// Gives the file its name.
    fn publish(self, part: PartialFile) -> Result<(), FileError> {
        let parts = split(&self.path)?;
        let Some(name) = parts.last() else { return Err(self.error(NO_WAY.into())) };
        part.publish(name).map_err(|errno| self.error(describe(errno)))
    }

    fn error(&self, problem: String) -> FileError {
        FileError { path: Excerpt::of(&self.path), problem }
    }

    fn refused(&self, problem: &str) -> ReplyError {
        ReplyError::Refused { cause: Excerpt::of(&self.error(problem.to_owned())) }
    }
}

fn describe(errno: Errno) -> String {
    match errno {
        Errno::EXIST => EXISTS.into(),
        Errno::NOENT => "is in a directory that does not exist; create it first".into(),
        Errno::LOOP | Errno::NOTDIR | Errno::MLINK => NO_WAY.into(),
        errno => format!("cannot be created: {}", io::Error::from(errno)),
    }
}

/// Works with the disk, for which the sink's thread must not wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, ReplyError> {
    let refused = |cause| ReplyError::Refused { cause };
    let done = spawn_blocking(work).await.map_err(|error| refused(Excerpt::of(&error)))?;
    done.map_err(|error| refused(Excerpt::of(&error)))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, symlink},
        path::Path,
    };

    use bytes::Bytes;
    use tokio::sync::mpsc;

    use super::*;

    /// Downloads these pieces of a file with that length, and returns the error.
    async fn save(dir: &Path, path: &str, len: u64, all: &[&'static str]) -> Result<(), String> {
        let (sender, pieces) = mpsc::channel(all.len().max(1));
        for piece in all {
            let piece = if *piece == "broken" { Err("reset".into()) } else { Ok(Bytes::from(*piece)) };
            sender.try_send(piece).unwrap();
        }
        drop(sender);
        let download = FileDownload { name: "a".into(), content_type: String::new(), len, pieces };
        let to = FileDir::new(dir).new_file(path).map_err(|error| error.to_string())?;
        to.save(async { Ok(download) }).await.map_err(|error| error.to_string())
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_complete_file_is_saved_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        save(dir.path(), "in/a ü.txt", 5, &["ab", "cde"]).await.unwrap();
        save(dir.path(), "./empty", 0, &[]).await.unwrap();
        let file = dir.path().join("in/a ü.txt");
        assert_eq!(fs::read_to_string(&file).unwrap(), "abcde");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            (names(dir.path()), names(&dir.path().join("in")).len()),
            (vec!["empty".into(), "in".into()], 1)
        );
    }

    #[tokio::test]
    async fn a_file_that_is_not_complete_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for (len, pieces) in [(6, &["ab", "cde"][..]), (4, &["ab", "cde"]), (5, &["ab", "broken"]), (1, &[])]
        {
            let error = save(dir.path(), "a", len, pieces).await.unwrap_err();
            assert!(error.ends_with("\"a\" is not complete: the download broke off"), "{error}");
        }
        let error = save(dir.path(), "a", MAX_BYTES + 1, &[]).await.unwrap_err();
        assert!(error.contains("is the limit"), "{error}");
        assert!(names(dir.path()).is_empty(), "{:?}", names(dir.path()));
    }

    #[tokio::test]
    async fn nothing_is_replaced_and_no_link_is_followed() {
        let outside = tempfile::tempdir().unwrap();
        let dir = outside.path().join("own");
        fs::create_dir_all(dir.join("in")).unwrap();
        fs::write(dir.join("handler.py"), "print()").unwrap();
        symlink("../escaped", dir.join("link")).unwrap();
        symlink(outside.path(), dir.join("up")).unwrap();
        symlink("in", dir.join("inner")).unwrap();
        let before = (names(outside.path()), names(&dir));
        for (path, problem) in [
            ("handler.py", "exists already"),
            ("in", "exists already"),
            ("link", "exists already"),
            ("up/escaped", "leads through a symbolic link"),
            ("inner/a", "leads through a symbolic link"),
            ("handler.py/a", "leads through a symbolic link"),
            ("missing/a", "a directory that does not exist"),
            ("../escaped", "is not below the handler's directory"),
            ("in/../../escaped", "is not below the handler's directory"),
            ("/tmp/escaped", "is not below the handler's directory"),
            ("", "is not below the handler's directory"),
            ("in/", "exists already"),
        ] {
            let error = save(&dir, path, 1, &["x"]).await.unwrap_err();
            assert!(error.contains(problem), "{path}: {error}");
        }
        assert_eq!((names(outside.path()), names(&dir)), before);
        assert_eq!(fs::read_to_string(dir.join("handler.py")).unwrap(), "print()");
        assert!(names(&dir.join("in")).is_empty());
    }
}
