//! The sink that writes to files, rotated by size and age.
//!
//! With `fsync`, a batch of lines is on the disk before any of it is acknowledged. Without it, the batch is with the
//! operating system, so a crash of the machine may lose the last acknowledged lines. A failed write is truncated, so
//! that a file never keeps part of a line. A file that another program moves or removes is replaced before the next line.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use super::{FailureAction, LineOutput, LineSink, last_line, rotate};
use crate::{config::FileConfig, sinks::start_gate::StartGate};

/// A full disk is rarely freed sooner, and an attempt is cheap.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Messages of users are for the operator only.
const FILE_MODE: u32 = 0o600;

/// Starts the thread that writes a sink's files once the gate opens.
///
/// # Errors
/// If the file cannot be opened or no thread can be started.
pub(in crate::sinks) fn start(name: &str, config: FileConfig, start_gate: StartGate) -> io::Result<LineSink> {
    let current = if start_gate.is_open() {
        Some(Current::open(&config.path)?)
    } else {
        // Another sink still writes the file; this checks only that it can be opened.
        open(&config.path)?;
        None
    };
    let files = Files { current, failing: false, name: name.into(), config };
    LineSink::spawn(&format!("sink {name}"), files, None, start_gate, watch::Sender::new(None))
}

/// A rotated file.
struct Files {
    config: FileConfig,
    name: Box<str>,
    current: Option<Current>,
    /// True from a logged failure to the next success.
    failing: bool,
}

/// The file that is open for writing.
struct Current {
    out: BufWriter<File>,
    /// The length in bytes with the committed lines only.
    committed: u64,
    /// The length in bytes with the lines that are not committed yet.
    written: u64,
    /// The time of the first line.
    since: Option<SystemTime>,
    /// True if the last line is not ours and has no end.
    lacks_line_end: bool,
}

impl Current {
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = open(path)?;
        let metadata = file.metadata()?;
        let mut end = metadata.len();
        let last_line = last_line::end_of_last_line(&mut file, end)?;
        let is_cut_short = last_line < end && last_line::is_object_cut_short(&mut file, last_line)?;
        if is_cut_short {
            // A crash cut the last line short. It was not acknowledged, so its event is delivered again.
            end = last_line;
            file.set_len(end)?;
        }
        // Not every file system records the creation time; the last change is the best substitute.
        let since = metadata.created().or_else(|_| metadata.modified()).ok().filter(|_| end > 0);
        let lacks_line_end = last_line < end;
        Ok(Self { out: BufWriter::new(file), committed: end, written: end, since, lacks_line_end })
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).read(true).mode(FILE_MODE).open(path)
}

impl Files {
    fn current(&mut self) -> io::Result<&mut Current> {
        if self.current.is_none() {
            self.current = Some(Current::open(&self.config.path)?);
        }
        self.current.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Closes the file if another program moved or removed it, so that the next line goes to a new one. Only a file
    /// without uncommitted lines is closed.
    fn close_if_moved(&mut self) -> io::Result<()> {
        let Some(current) = self.current.as_ref().filter(|current| current.written == current.committed)
        else {
            return Ok(());
        };
        let id = |metadata: &Metadata| (metadata.dev(), metadata.ino());
        let open = id(&current.out.get_ref().metadata()?);
        let is_moved = match fs::metadata(&self.config.path) {
            Ok(named) => id(&named) != open,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if is_moved {
            self.current = None;
            let path = self.config.path.display();
            tracing::info!(sink = &*self.name, %path, "the file was moved or removed; a new one is opened");
        }
        Ok(())
    }

    /// Ends a last line that is not ours, so that the next is a line of its own.
    fn end_last_line(&mut self) -> io::Result<()> {
        let current = self.current()?;
        if !std::mem::take(&mut current.lacks_line_end) {
            return Ok(());
        }
        current.written += 1;
        current.out.write_all(b"\n")?;
        let path = self.config.path.display();
        tracing::warn!(sink = &*self.name, %path, "the file ends with a line of others, which is kept");
        Ok(())
    }

    /// Rotates the file if the next line would make it too large, or if it is too old.
    fn rotate_if_needed(&mut self, bytes: u64) -> io::Result<()> {
        let (size, age, keep) = (self.config.rotate_size, self.config.rotate_after, self.config.keep);
        let current = self.current()?;
        let old = current.since.is_some_and(|since| since.elapsed().is_ok_and(|elapsed| elapsed >= age));
        if current.written == 0 || (current.written + bytes <= size && !old) {
            return Ok(());
        }
        self.commit()?;
        self.current = None;
        rotate::rotate_file(&self.config.path, keep)
    }
}

impl LineOutput for Files {
    fn write_line(&mut self, line: &str) -> io::Result<()> {
        self.close_if_moved()?;
        self.rotate_if_needed(line.len() as u64)?;
        self.end_last_line()?;
        let current = self.current()?;
        current.since.get_or_insert_with(SystemTime::now);
        current.written += line.len() as u64;
        current.out.write_all(line.as_bytes())
    }

    fn commit(&mut self) -> io::Result<()> {
        let fsync = self.config.fsync;
        let current = self.current()?;
        current.out.flush()?;
        if fsync {
            current.out.get_ref().sync_data()?;
        }
        current.committed = current.written;
        if std::mem::take(&mut self.failing) {
            tracing::info!(sink = &*self.name, "the file can be written again");
        }
        Ok(())
    }

    fn handle_failure(&mut self, error: &io::Error) -> FailureAction {
        if !std::mem::replace(&mut self.failing, true) {
            let path = self.config.path.display();
            tracing::error!(sink = &*self.name, %path, %error, "the file cannot be written; trying again");
        }
        if let Some(current) = self.current.take() {
            let (file, _) = current.out.into_parts();
            // If this fails as well, the next open removes an incomplete line.
            let _ = file.set_len(current.committed);
        }
        FailureAction::RetryAfter(RETRY_AFTER)
    }
}

#[cfg(test)]
mod tests;
