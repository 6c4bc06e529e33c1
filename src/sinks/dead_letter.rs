//! What handlers refuse for good: kept in a file for each sink, a line an event, until somebody looks.
//!
//! A running host writes, and `matterhost dead-letter retry` takes away, from another process: each holds the lock
//! of a file beside while it does.
pub mod retry;

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{handler::ThrottledWarning, lines::rotate, message::Message};
use crate::{config::DeadLetterConfig, telemetry::time::rfc3339};

/// What people said is for the operator alone.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The dead letters of one sink.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    file: PathBuf,
    lock: PathBuf,
    /// What is being tried again.
    taken: PathBuf,
    sink: Box<str>,
    max_size: u64,
    keep: usize,
    warning: Arc<ThrottledWarning>,
}

/// An event that was refused.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    /// When it was refused (RFC 3339).
    pub time: Box<str>,
    /// The sink that it was for.
    pub sink: Box<str>,
    /// The account that heard it.
    pub account: Box<str>,
    /// Why it was refused.
    pub cause: Box<str>,
    /// The event, as `CloudEvents` JSON.
    pub event: Box<RawValue>,
}

impl DeadLetter {
    /// The event's id, if it has one.
    pub fn id(&self) -> Option<Box<str>> {
        Message::parse(self.event.get()).map(|event| event.id)
    }
}

impl DeadLetters {
    /// Those of a sink. Nothing is made or opened yet.
    pub fn for_sink(sink: &str, config: &DeadLetterConfig) -> Self {
        let file = |end: &str| config.dir.join(format!("{sink}{end}"));
        Self {
            file: file(".jsonl"),
            lock: file(".lock"),
            taken: file(".retrying.jsonl"),
            sink: sink.into(),
            max_size: config.max_size,
            keep: config.keep,
            warning: Arc::new(ThrottledWarning::new(
                &sink.into(),
                "an event was refused and cannot be kept; trying again",
            )),
        }
    }

    /// Tells when they cannot be kept.
    pub(super) fn warning(&self) -> &ThrottledWarning {
        &self.warning
    }

    /// Keeps one more. It is on the disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written; then nothing of it is.
    pub(super) fn add(&self, event: &Message, cause: &str) -> io::Result<()> {
        let letter = DeadLetter {
            time: rfc3339(SystemTime::now()).into(),
            sink: self.sink.clone(),
            account: event.account.as_str().into(),
            cause: cause.into(),
            event: serde_json::from_str(&event.json)?,
        };
        let _locked = self.lock()?;
        self.append(&letter)
    }

    fn append(&self, letter: &DeadLetter) -> io::Result<()> {
        let mut line = serde_json::to_string(letter)?;
        line.push('\n');
        let mut file = open(&self.file)?;
        let mut before = file.metadata()?.len();
        if before > 0 && before + line.len() as u64 > self.max_size {
            drop(file);
            self.rotate_file()?;
            (file, before) = (open(&self.file)?, 0);
        }
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a line would hide the next one.
            let _ = file.set_len(before);
        }
        written
    }

    fn rotate_file(&self) -> io::Result<()> {
        if rotate::rotated_path(&self.file, self.keep).exists() {
            let (sink, keep) = (&*self.sink, self.keep);
            tracing::warn!(
                sink,
                keep,
                "there are too many dead letters; the oldest are deleted (dead_letter.keep)"
            );
        }
        rotate::rotate_file(&self.file, self.keep)
    }

    /// All of them, oldest first. A line that is none is told and left out.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn list(&self) -> io::Result<Vec<DeadLetter>> {
        let _locked = if self.exist() { Some(self.lock()?) } else { None };
        let mut letters = Vec::new();
        for path in self.files() {
            read(&path, &mut letters)?;
        }
        Ok(letters)
    }

    /// Takes all of them away, to be tried again: what is refused again is kept anew. A kill on the way loses none,
    /// for those taken stay until [`DeadLetters::finish_retry`].
    ///
    /// # Errors
    /// When they cannot be read, or not be moved.
    pub fn take(&self) -> io::Result<Vec<DeadLetter>> {
        if !self.exist() {
            return Ok(Vec::new());
        }
        let _locked = self.lock()?;
        let mut taken = OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(&self.taken)?;
        for path in rotate::existing_files(&self.file, self.keep) {
            io::copy(&mut File::open(&path)?, &mut taken)?;
            taken.sync_data()?;
            fs::remove_file(&path)?;
        }
        let mut letters = Vec::new();
        read(&self.taken, &mut letters)?;
        Ok(letters)
    }

    /// Gives back those that could not be tried, and forgets what was taken.
    ///
    /// # Errors
    /// When they cannot be written; then all that was taken is still there.
    pub fn finish_retry(&self, untried: &[DeadLetter]) -> io::Result<()> {
        let _locked = self.lock()?;
        for letter in untried {
            self.append(letter)?;
        }
        match fs::remove_file(&self.taken) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let taken = Some(self.taken.clone()).filter(|path| path.exists());
        taken.into_iter().chain(rotate::existing_files(&self.file, self.keep)).collect()
    }

    fn exist(&self) -> bool {
        !self.files().is_empty()
    }

    /// Waits until nobody else writes, reads or takes; it is unlocked when what is given back is dropped.
    fn lock(&self) -> io::Result<File> {
        if let Some(directory) = self.lock.parent() {
            DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
        }
        let lock = OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(&self.lock)?;
        lock.lock()?;
        Ok(lock)
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(path)
}

fn read(path: &Path, letters: &mut Vec<DeadLetter>) -> io::Result<()> {
    for (at, line) in BufReader::new(File::open(path)?).lines().enumerate() {
        match serde_json::from_str(&line?) {
            Ok(letter) => letters.push(letter),
            Err(error) => {
                let path = path.display();
                tracing::warn!(%path, line = at + 1, %error, "this line is no dead letter, and is left out");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
