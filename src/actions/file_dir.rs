//! The directory below which a child process names files.

use std::{
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Component, Path},
    sync::Arc,
};

use matterhost_actors::model::{Attachment, Excerpt, FileContent, StoredFile};
use rustix::{
    fs::{Mode, OFlags, open, openat},
    io::Errno,
};

use super::{NewFilePath, partial_file::remove_left_over};

/// The directory below which a child process names files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDir(Arc<Path>);

/// The reason why a file cannot be uploaded or saved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} {problem}")]
pub struct FileError {
    pub(super) path: Excerpt,
    pub(super) problem: String,
}

/// The reason for a path that leads somewhere else.
const OUTSIDE: &str = "is not below the handler's directory (`dir` of the sink); name a file below it, without `..` and a leading slash";
/// The reason for a path with a symbolic link, or through something that is no directory.
pub(super) const NO_WAY: &str =
    "leads through a symbolic link or something that is no directory; name the file itself, without links";

impl FileDir {
    /// Returns the directory; an empty path is the working directory.
    pub fn new(dir: &Path) -> Self {
        Self(if dir.as_os_str().is_empty() { Path::new(".") } else { dir }.into())
    }

    /// Opens a file below the directory. No symbolic link is followed.
    ///
    /// # Errors
    /// If there is no such regular file, or it cannot be opened.
    pub fn open(&self, path: &str, name: Option<String>) -> Result<Attachment, FileError> {
        let error = |problem: String| FileError { path: Excerpt::of(path), problem };
        let parts = split(path)?;
        let Some((last, above)) = parts.split_last() else { return Err(error(OUTSIDE.into())) };
        let file = self.open_parts(above, last).map_err(|errno| error(describe(errno)))?;
        let stored = StoredFile::new(file, ()).map_err(|problem| error(describe_unusable(&problem)))?;
        let name = name.unwrap_or_else(|| (*last).to_owned());
        Ok(Attachment { name, bytes: FileContent::Stored(Arc::new(stored)) })
    }

    /// Returns the path of a new file below the directory.
    ///
    /// # Errors
    /// If it leads elsewhere.
    pub fn new_file(&self, path: &str) -> Result<NewFilePath, FileError> {
        split(path)?;
        Ok(NewFilePath { dir: self.clone(), path: path.to_owned() })
    }

    /// Removes the files that are left over from downloads of a host that was killed, and returns their number.
    pub fn remove_left_over(&self) -> usize {
        self.open_parent(&[]).map_or(0, |dir| remove_left_over(&dir))
    }

    /// Opens a directory below this one.
    pub(super) fn open_parent(&self, above: &[&str]) -> Result<OwnedFd, Errno> {
        let directory = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let mut dir = open(&*self.0, directory, Mode::empty())?;
        for part in above {
            dir = openat(&dir, *part, directory | OFlags::NOFOLLOW, Mode::empty())?;
        }
        Ok(dir)
    }

    fn open_parts(&self, above: &[&str], last: &str) -> Result<File, Errno> {
        let dir = self.open_parent(above)?;
        // Without NONBLOCK, opening a pipe would wait for its writer.
        let regular = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        openat(&dir, last, regular, Mode::empty()).map(File::from)
    }
}

/// Splits a path below a directory into its parts, of which there is at least one.
pub(super) fn split(path: &str) -> Result<Vec<&str>, FileError> {
    let parts: Option<Vec<&str>> = Path::new(path).components().filter_map(part).collect();
    let parts = parts.filter(|parts| !parts.is_empty() && !path.contains('\0'));
    parts.ok_or_else(|| FileError { path: Excerpt::of(path), problem: OUTSIDE.into() })
}

/// Returns a part of a path that leads down; `Some(None)` for one that does not, `None` for one that stays.
#[expect(clippy::option_option, reason = "a part may be left out, or may spoil the whole")]
fn part(component: Component<'_>) -> Option<Option<&str>> {
    match component {
        Component::CurDir => None,
        Component::Normal(part) => Some(part.to_str()),
        Component::ParentDir | Component::RootDir | Component::Prefix(_) => Some(None),
    }
}

fn describe(errno: Errno) -> String {
    match errno {
        Errno::NOENT => "does not exist".into(),
        Errno::LOOP | Errno::NOTDIR | Errno::MLINK => NO_WAY.into(),
        errno => format!("cannot be opened: {}", io::Error::from(errno)),
    }
}

fn describe_unusable(error: &io::Error) -> String {
    format!("cannot be uploaded: {error}")
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, process::Command};

    use super::*;

    #[test]
    fn only_regular_files_below_the_directory_are_opened_and_no_link_is_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "token").unwrap();
        let dir = outside.path().join("own");
        fs::create_dir_all(dir.join("out/deep")).unwrap();
        for name in ["a.txt", "out/deep/b ü.csv"] {
            fs::write(dir.join(name), "content").unwrap();
        }
        symlink("../secret", dir.join("link")).unwrap();
        symlink("a.txt", dir.join("inner")).unwrap();
        symlink(outside.path(), dir.join("up")).unwrap();
        symlink("out", dir.join("in")).unwrap();
        assert!(Command::new("mkfifo").arg(dir.join("pipe")).status().unwrap().success());
        let files = FileDir::new(&dir);
        for (path, name) in [("a.txt", "a.txt"), ("./a.txt", "a.txt"), ("out//deep/./b ü.csv", "b ü.csv")] {
            let opened = files.open(path, None).unwrap();
            assert_eq!((&*opened.name, opened.bytes.len()), (name, 7));
        }
        assert_eq!(files.open("a.txt", Some("b.txt".into())).unwrap().name, "b.txt");
        let absolute = dir.join("a.txt");
        for (path, problem) in [
            ("", OUTSIDE),
            (".", OUTSIDE),
            ("../secret", OUTSIDE),
            ("out/../../secret", OUTSIDE),
            ("out/../a.txt", OUTSIDE),
            (absolute.to_str().unwrap(), OUTSIDE),
            ("a\0", OUTSIDE),
            ("link", NO_WAY),
            ("inner", NO_WAY),
            ("up/secret", NO_WAY),
            ("in/deep/b ü.csv", NO_WAY),
            ("a.txt/b", NO_WAY),
            ("missing", "does not exist"),
            ("missing/b", "does not exist"),
            ("out", "cannot be uploaded: it is not a regular file"),
            ("pipe", "cannot be uploaded: it is not a regular file"),
        ] {
            let error = files.open(path, None).unwrap_err().to_string();
            assert!(error.ends_with(problem), "{path}: {error}");
        }
        let long = files.open(&"n".repeat(10_000), None).unwrap_err().to_string();
        assert!(long.contains("cannot be opened: ") && long.len() < 300, "{long}");
    }
}
