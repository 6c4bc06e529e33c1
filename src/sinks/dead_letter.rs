//! Dead letters: events that a handler refused permanently and replies that could not be posted, kept in one file per sink,
//! one a line.
//!
//! A running host writes the file while `matterhost dead-letter drop`, another process, removes events from it. Both
//! hold a lock on a separate file meanwhile.

pub mod retry;
mod selection;
mod unposted;

pub use selection::{Selection, StoredLetter};

use selection::LastCount;

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use unposted::UnpostedReply;

use super::{
    handler::ThrottledWarning,
    lines::{last_line, rotate},
    message::Message,
};
use crate::{
    config::{DeadLetterConfig, INTERRUPTED_RETRY},
    telemetry::time::rfc3339,
};

/// Messages of users are for the operator only.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The dead letters of one sink.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    file: PathBuf,
    lock: PathBuf,
    /// The file of an older version with the letters of an interrupted retry.
    taken: PathBuf,
    sink: Box<str>,
    max_size: u64,
    keep: usize,
    warning: Arc<ThrottledWarning>,
    /// The files at the last count, and the number of letters.
    counted: Arc<Mutex<LastCount>>,
}

/// A refused event, or a reply that could not be posted.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The time of the refusal (RFC 3339).
    pub time: Box<str>,
    /// The name of the sink.
    pub sink: Box<str>,
    /// The account that received the event.
    pub account: Box<str>,
    /// The reason of the refusal.
    pub cause: Box<str>,
    /// The reply to the event that could not be posted; the event itself was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<UnpostedReply>,
    /// The event, as `CloudEvents` JSON.
    pub event: Box<RawValue>,
}

impl DeadLetter {
    /// Returns the event's id; `None` if the event cannot be read.
    pub fn id(&self) -> Option<Box<str>> {
        Message::parse(self.event.get()).map(|event| event.id)
    }
}

impl DeadLetters {
    /// Returns the dead letters of a sink. No file is created or opened yet.
    pub fn for_sink(sink: &str, config: &DeadLetterConfig) -> Self {
        let file = |end: &str| config.dir.join(format!("{sink}{end}"));
        Self {
            file: file(".jsonl"),
            lock: file(".lock"),
            taken: file(&format!("{INTERRUPTED_RETRY}.jsonl")),
            sink: sink.into(),
            max_size: config.max_size,
            keep: config.keep,
            counted: Arc::default(),
            warning: Arc::new(ThrottledWarning::new(
                &sink.into(),
                "a refused event cannot be kept as a dead letter; trying again",
            )),
        }
    }

    /// Returns the warning about letters that cannot be written.
    pub(super) fn warning(&self) -> &ThrottledWarning {
        &self.warning
    }

    /// Adds a refused event. It is on the disk when this returns.
    ///
    /// # Errors
    /// If the letter cannot be written.
    pub(super) fn add(&self, event: &Message, cause: &str) -> io::Result<()> {
        self.add_letter(event, None, cause)
    }

    /// Adds a reply that could not be posted. It is on the disk when this returns.
    ///
    /// # Errors
    /// If the letter cannot be written.
    pub(super) fn add_reply(&self, event: &Message, reply: UnpostedReply, cause: &str) -> io::Result<()> {
        self.add_letter(event, Some(reply), cause)
    }

    fn add_letter(&self, event: &Message, reply: Option<UnpostedReply>, cause: &str) -> io::Result<()> {
        let letter = DeadLetter {
            time: rfc3339(SystemTime::now()).into(),
            sink: self.sink.clone(),
            account: event.account.as_str().into(),
            cause: cause.into(),
            reply,
            event: serde_json::from_str(&event.json)?,
        };
        let _locked = self.lock()?;
        self.append(&letter)
    }

    fn append(&self, letter: &DeadLetter) -> io::Result<()> {
        let mut line = serde_json::to_string(letter)?;
        line.push('\n');
        let mut file = open(&self.file)?;
        let mut before = end_last_line(&mut file)?;
        if before > 0 && before + line.len() as u64 > self.max_size {
            drop(file);
            self.rotate_file()?;
            (file, before) = (open(&self.file)?, 0);
        }
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
        if written.is_err() {
            // Part of a line would make the next one unreadable.
            let _ = file.set_len(before);
        }
        written
    }

    fn rotate_file(&self) -> io::Result<()> {
        if rotate::rotated_path(&self.file, self.keep).exists() {
            let (sink, keep) = (&*self.sink, self.keep);
            tracing::warn!(sink, keep, "the oldest dead letters are deleted (dead_letter.keep)");
        }
        rotate::rotate_file(&self.file, self.keep)
    }

    /// Returns all letters, oldest first. Invalid lines are logged and left out.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub fn list(&self) -> io::Result<Vec<DeadLetter>> {
        Ok(self.read_all()?.into_iter().map(|stored| stored.letter).collect())
    }

    fn read_all(&self) -> io::Result<Vec<StoredLetter>> {
        let mut letters = Vec::new();
        if !self.exist() {
            return Ok(letters);
        }
        let _locked = self.lock()?;
        for path in self.files() {
            read(&path, &mut letters)?;
        }
        Ok(letters)
    }

    fn files(&self) -> Vec<PathBuf> {
        let taken = Some(self.taken.clone()).filter(|path| path.exists());
        taken.into_iter().chain(rotate::existing_files(&self.file, self.keep)).collect()
    }

    fn exist(&self) -> bool {
        !self.files().is_empty()
    }

    /// Waits for exclusive access, which lasts until the returned file is dropped.
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
    OpenOptions::new().create(true).append(true).read(true).mode(FILE_MODE).open(path)
}

/// Removes the part of a letter that a crash left at the end of a file, and returns the length. A whole letter without a line
/// end gets one.
fn end_last_line(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let end = last_line::end_of_last_line(file, length)?;
    if end == length {
        return Ok(length);
    }
    let mut rest = Vec::new();
    file.seek(SeekFrom::Start(end))?;
    file.read_to_end(&mut rest)?;
    if serde_json::from_slice::<DeadLetter>(&rest).is_ok() {
        file.write_all(b"\n")?;
        return Ok(length + 1);
    }
    // Its event was not answered, so it is delivered again.
    file.set_len(end)?;
    Ok(end)
}

/// Reads the lines of a file, with their ends.
fn read_lines(path: &Path) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>>> {
    let mut reader = BufReader::new(File::open(path)?);
    Ok(std::iter::from_fn(move || {
        let mut line = Vec::new();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(Ok(line)),
            Err(error) => Some(Err(error)),
        }
    }))
}

fn read(path: &Path, letters: &mut Vec<StoredLetter>) -> io::Result<()> {
    for (index, line) in read_lines(path)?.enumerate() {
        let line = line?;
        let line = line.trim_ascii_end();
        match serde_json::from_slice(line) {
            Ok(letter) => letters.push(StoredLetter { letter, line: line.into() }),
            Err(error) => {
                let path = path.display();
                tracing::warn!(%path, line = index + 1, %error, "skipping a line that is not a dead letter");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
