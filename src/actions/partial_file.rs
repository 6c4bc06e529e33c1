//! Files that are being written under another name, and what a kill has left of them.

use std::{
    ffi::{CStr, CString},
    fs::File,
    io::{self, Write as _},
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{
        AtFlags, Dev, Dir, DirEntry, FileType, FlockOperation, Mode, OFlags, RenameFlags, flock, fstat,
        linkat, openat, renameat_with, statat, unlinkat,
    },
    io::Errno,
};

/// The name of such a file, around a random number.
const PREFIX: &str = ".matterhost-";
const SUFFIX: &str = ".part";

/// The most entries that are looked at for files that are left over: a child starts soon, whatever it keeps in its directory.
const MAX_ENTRIES: usize = 10_000;
/// The most directories within each other that are looked into; each is open meanwhile.
const MAX_DEPTH: usize = 8;

/// The most new files that a clean-up may take away, one after another: it looks at each name once.
const MAX_ATTEMPTS: usize = 100;

/// A file that is being written under another name. It is removed when it is dropped, unless it got its own.
pub(super) struct PartialFile {
    parent: OwnedFd,
    name: String,
    file: File,
}

impl PartialFile {
    /// Creates the file in the directory that it is to have its name in.
    pub(super) fn create(parent: OwnedFd) -> Result<Self, Errno> {
        for _ in 0..MAX_ATTEMPTS {
            let (name, file) = create_new(parent.as_fd())?;
            if is_kept(&file) {
                return Ok(Self { parent, name, file });
            }
        }
        Err(Errno::AGAIN)
    }

    pub(super) fn append(mut self, piece: &[u8]) -> io::Result<Self> {
        self.file.write_all(piece)?;
        Ok(self)
    }

    /// Writes the content to the disk, so that no crash leaves an empty file under the name.
    pub(super) fn sync(self) -> io::Result<Self> {
        self.file.sync_data()?;
        Ok(self)
    }

    /// Gives the file its name, unless something else has it.
    pub(super) fn publish(self, name: &str) -> Result<(), Errno> {
        let renamed = renameat_with(&self.parent, &self.name, &self.parent, name, RenameFlags::NOREPLACE);
        self.link_if_unsupported(name, renamed)
    }

    /// Links the file if the kernel or the file system cannot rename without replacing.
    fn link_if_unsupported(&self, name: &str, renamed: Result<(), Errno>) -> Result<(), Errno> {
        match renamed {
            Err(Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => {
                linkat(&self.parent, &self.name, &self.parent, name, AtFlags::empty())
            }
            renamed => renamed,
        }
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // Once it was renamed, there is none.
        let _ = unlinkat(&self.parent, &self.name, AtFlags::empty());
    }
}

/// Creates a file under a random name.
fn create_new(parent: BorrowedFd<'_>) -> Result<(String, File), Errno> {
    let name = format!("{PREFIX}{:016x}{SUFFIX}", fastrand::u64(..));
    let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(parent, &name, new, Mode::RUSR | Mode::WUSR)?;
    Ok((name, file.into()))
}

/// Locks a new file, and returns false if a clean-up came first. The lock ends with the process, and shows meanwhile that the
/// file is not left over. Where there are no locks, none is found to be left over either.
fn is_kept(file: &File) -> bool {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        // It is about to be removed.
        Err(Errno::WOULDBLOCK) => false,
        Ok(()) | Err(_) => fstat(file).is_ok_and(|stat| stat.st_nlink > 0),
    }
}

/// A search below a directory, which stays in its file system: another one may hang.
struct Search {
    device: Dev,
    looked_at: usize,
}

/// Removes the files below a directory that a kill has left, and returns their number.
pub(super) fn remove_left_over(dir: &OwnedFd) -> usize {
    let Ok(stat) = fstat(dir) else { return 0 };
    Search { device: stat.st_dev, looked_at: 0 }.look_into(dir.as_fd(), 0)
}

impl Search {
    fn look_into(&mut self, dir: BorrowedFd<'_>, depth: usize) -> usize {
        let Ok(entries) = Dir::read_from(dir) else { return 0 };
        let (mut removed, mut below) = (0, Vec::new());
        for entry in entries.map_while(Result::ok).filter(|entry| !is_dot(entry)) {
            if self.looked_at >= MAX_ENTRIES {
                break;
            }
            self.looked_at += 1;
            match self.kind(dir, entry.file_name(), entry.file_type()) {
                Some(FileType::Directory) if depth < MAX_DEPTH => below.push(entry.file_name().to_owned()),
                Some(FileType::RegularFile) if is_partial(&entry) => {
                    removed += usize::from(remove_unless_locked(dir, &entry).is_ok());
                }
                _ => {}
            }
        }
        removed + below.iter().map(|name| self.look_below(dir, name, depth + 1)).sum::<usize>()
    }

    fn look_below(&mut self, dir: BorrowedFd<'_>, name: &CString, depth: usize) -> usize {
        let directory = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(dir, name, directory, Mode::empty());
        opened.map_or(0, |opened| self.look_into(opened.as_fd(), depth))
    }

    /// Returns the type of an entry, which not every file system lists; `None` for a directory of another file system.
    fn kind(&self, dir: BorrowedFd<'_>, name: &CStr, listed: FileType) -> Option<FileType> {
        if !matches!(listed, FileType::Directory | FileType::Unknown) {
            return Some(listed);
        }
        let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        (stat.st_dev == self.device).then(|| FileType::from_raw_mode(stat.st_mode))
    }
}

fn is_dot(entry: &DirEntry) -> bool {
    matches!(entry.file_name().to_bytes(), b"." | b"..")
}

fn is_partial(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_bytes();
    name.starts_with(PREFIX.as_bytes()) && name.ends_with(SUFFIX.as_bytes())
}

/// Removes a file that no download is writing.
fn remove_unless_locked(dir: BorrowedFd<'_>, entry: &DirEntry) -> Result<(), Errno> {
    let existing = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(dir, entry.file_name(), existing, Mode::empty())?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    unlinkat(dir, entry.file_name(), AtFlags::empty())
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::symlink,
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use super::*;
    use crate::actions::FileDir;

    #[test]
    fn files_that_a_kill_has_left_are_removed_and_no_others() {
        let outside = tempfile::tempdir().unwrap();
        let dir = outside.path().join("own");
        fs::create_dir_all(dir.join("in/deep")).unwrap();
        let left = [".matterhost-0123.part", "in/.matterhost-4567.part", "in/deep/.matterhost-89ab.part"];
        let kept = ["a.part", ".matterhost-x", "in/.matterhost.part", "../.matterhost-cdef.part"];
        for name in left.iter().chain(&kept) {
            fs::write(dir.join(name), "x").unwrap();
        }
        fs::create_dir(dir.join(".matterhost-dir.part")).unwrap();
        symlink("..", dir.join("up")).unwrap();
        symlink("../.matterhost-cdef.part", dir.join(".matterhost-link.part")).unwrap();
        let files = FileDir::new(&dir);
        let parent = files.open_parent(&["in"]).unwrap();
        let at_work = PartialFile::create(parent).unwrap().append(b"more").unwrap();
        assert_eq!(files.remove_left_over(), left.len());
        assert!(left.iter().all(|name| !dir.join(name).exists()));
        assert!(kept.iter().all(|name| dir.join(name).exists()));
        at_work.sync().unwrap().publish("whole").unwrap();
        assert_eq!(fs::read_to_string(dir.join("in/whole")).unwrap(), "more");
    }

    #[test]
    fn a_search_stays_in_its_file_system_and_asks_for_types_that_are_not_listed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        for name in [".matterhost-0123.part", "in/.matterhost-4567.part"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        symlink("in", dir.path().join("link")).unwrap();
        let parent = FileDir::new(dir.path()).open_parent(&[]).unwrap();
        let device = fstat(&parent).unwrap().st_dev;
        let search = Search { device, looked_at: 0 };
        for (name, expected) in [
            (c"in", Some(FileType::Directory)),
            (c"link", Some(FileType::Symlink)),
            (c".matterhost-0123.part", Some(FileType::RegularFile)),
            (c"missing", None),
        ] {
            assert_eq!(search.kind(parent.as_fd(), name, FileType::Unknown), expected, "{name:?}");
        }
        let mut elsewhere = Search { device: device + 1, looked_at: 0 };
        assert_eq!(elsewhere.look_into(parent.as_fd(), 0), 1, "the directory is of another one");
        assert_eq!(FileDir::new(dir.path()).remove_left_over(), 1);
    }

    #[test]
    fn a_new_file_that_a_clean_up_takes_before_it_is_locked_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let files = FileDir::new(dir.path());
        let parent = files.open_parent(&[]).unwrap();
        let (_, removed) = create_new(parent.as_fd()).unwrap();
        assert_eq!(files.remove_left_over(), 1);
        assert!(!is_kept(&removed));
        let (name, locked) = create_new(parent.as_fd()).unwrap();
        let other = File::open(dir.path().join(name)).unwrap();
        flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(!is_kept(&locked), "it is about to be removed");
        drop(other);
        assert!(is_kept(&locked));
    }

    #[test]
    fn while_other_children_start_each_download_keeps_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let (files, is_over) = (FileDir::new(dir.path()), AtomicBool::new(false));
        thread::scope(|scope| {
            let clean_up = || {
                while !is_over.load(Ordering::Relaxed) {
                    files.remove_left_over();
                }
            };
            scope.spawn(clean_up);
            for n in 0..2_000 {
                let part = PartialFile::create(files.open_parent(&[]).unwrap()).unwrap();
                if let Err(error) = part.publish("whole") {
                    is_over.store(true, Ordering::Relaxed);
                    panic!("file {n} is gone: {error}");
                }
                fs::remove_file(dir.path().join("whole")).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_file_system_that_cannot_rename_without_replacing_links() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("taken"), "before").unwrap();
        let part = || PartialFile::create(FileDir::new(dir.path()).open_parent(&[]).unwrap()).unwrap();
        for errno in [Errno::NOSYS, Errno::INVAL, Errno::OPNOTSUPP] {
            let part = part().append(b"x").unwrap();
            let name = format!("{errno:?}");
            assert_eq!(part.link_if_unsupported(&name, Err(errno)), Ok(()));
            assert_eq!(part.link_if_unsupported("taken", Err(errno)), Err(Errno::EXIST));
            drop(part);
            assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), "x");
        }
        assert_eq!(part().publish("taken"), Err(Errno::EXIST));
        assert_eq!(part().link_if_unsupported("other", Err(Errno::NOSPC)), Err(Errno::NOSPC));
        assert_eq!(fs::read_to_string(dir.path().join("taken")).unwrap(), "before");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4, "nothing else is left");
    }
}
