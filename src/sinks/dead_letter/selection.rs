//! Some of a sink's dead letters: found, counted and removed.

use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{DeadLetter, DeadLetters, FILE_MODE, read_lines};

/// A file, its length and the time of its last change.
type FileVersion = (PathBuf, u64, Option<SystemTime>);

/// The files at the last count, and the number of letters.
pub(super) type LastCount = Option<(Vec<FileVersion>, usize)>;

/// A selection of dead letters; the default selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only those of these events; all if it is empty.
    pub ids: HashSet<String>,
    /// Only those of this account.
    pub account: Option<String>,
}

/// A dead letter and its line in the file, which identifies it.
#[derive(Debug)]
pub struct StoredLetter {
    /// The letter.
    pub letter: DeadLetter,
    pub(super) line: Box<[u8]>,
}

impl Selection {
    /// Returns true for a letter that is selected.
    pub fn matches(&self, letter: &DeadLetter) -> bool {
        let is_of_account = self.account.as_ref().is_none_or(|account| *letter.account == **account);
        is_of_account && (self.ids.is_empty() || letter.id().is_some_and(|id| self.ids.contains(&*id)))
    }

    /// Returns the named events that none of these letters is of, sorted.
    pub fn unknown<'a>(&self, letters: impl IntoIterator<Item = &'a StoredLetter>) -> Vec<String> {
        let mut unknown: BTreeSet<_> = self.ids.iter().cloned().collect();
        for id in letters.into_iter().filter_map(|stored| stored.letter.id()) {
            unknown.remove(&*id);
        }
        unknown.into_iter().collect()
    }
}

impl DeadLetters {
    /// Returns the selected letters, oldest first.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub fn select(&self, selection: &Selection) -> io::Result<Vec<StoredLetter>> {
        let mut letters = self.read_all()?;
        letters.retain(|stored| selection.matches(&stored.letter));
        Ok(letters)
    }

    /// Removes letters, and returns the number of those that were there. A crash leaves each file as it was or as it is to
    /// be.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn remove<'a>(&self, letters: impl IntoIterator<Item = &'a StoredLetter>) -> io::Result<usize> {
        let lines: HashSet<&[u8]> = letters.into_iter().map(|stored| &*stored.line).collect();
        if lines.is_empty() || !self.exist() {
            return Ok(0);
        }
        let _locked = self.lock()?;
        let files = self.files();
        files.iter().try_fold(0, |removed, file| Ok(removed + self.remove_from(file, &lines)?))
    }

    fn remove_from(&self, path: &Path, removed: &HashSet<&[u8]>) -> io::Result<usize> {
        let (mut found, mut kept) = (0, 0);
        for line in read_lines(path)? {
            let is_removed = removed.contains(line?.trim_ascii_end());
            found += usize::from(is_removed);
            kept += usize::from(!is_removed);
        }
        match (found, kept) {
            (0, _) => {}
            // Nothing is written, which may be impossible.
            (_, 0) => fs::remove_file(path)?,
            _ => self.rewrite_without(path, removed)?,
        }
        Ok(found)
    }

    /// Writes a file again without some lines. A failure leaves it as it was, and no other file.
    fn rewrite_without(&self, path: &Path, removed: &HashSet<&[u8]>) -> io::Result<()> {
        let rewritten = self.lock.with_extension("tmp");
        let written = copy_without(removed, path, &rewritten).and_then(|()| fs::rename(&rewritten, path));
        if written.is_err() {
            let _ = fs::remove_file(&rewritten);
        }
        written
    }

    /// Returns the number of letters. The files are only read if they have changed since the last call.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub fn count(&self) -> io::Result<usize> {
        if !self.exist() {
            return Ok(0);
        }
        let _locked = self.lock()?;
        let mut counted = self.counted.lock();
        let seen = self.files().into_iter().map(|path| {
            let metadata = fs::metadata(&path)?;
            Ok((path, metadata.len(), metadata.modified().ok()))
        });
        let seen: Vec<FileVersion> = seen.collect::<io::Result<_>>()?;
        if let Some((_, count)) = counted.as_ref().filter(|(before, _)| *before == seen) {
            return Ok(*count);
        }
        let count = seen.iter().try_fold(0, |count, (path, ..)| {
            let mut reader = BufReader::new(File::open(path)?);
            Ok::<_, io::Error>(count + count_lines(&mut reader)?)
        })?;
        *counted = Some((seen, count));
        Ok(count)
    }
}

fn copy_without(removed: &HashSet<&[u8]>, from: &Path, to: &Path) -> io::Result<()> {
    let new = OpenOptions::new().create(true).write(true).truncate(true).mode(FILE_MODE).open(to)?;
    let mut new = BufWriter::new(new);
    for line in read_lines(from)? {
        let line = line?;
        if !removed.contains(line.trim_ascii_end()) {
            new.write_all(&line)?;
        }
    }
    new.into_inner()?.sync_data()
}

fn count_lines(reader: &mut BufReader<File>) -> io::Result<usize> {
    let mut count = 0;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(count);
        }
        count += buffer.split(|byte| *byte == b'\n').count() - 1;
        let read = buffer.len();
        reader.consume(read);
    }
}
