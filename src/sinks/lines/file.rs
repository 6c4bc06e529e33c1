//! Events as lines in files, put aside by size and age.
//!
//! With `fsync` a batch of lines is on the disk before any of it is acknowledged; without it, it is with the
//! system, and a crash of the machine may lose what was acknowledged last. What fails halfway is cut off again, so
//! that there is never a part of a line.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    time::{Duration, SystemTime},
};

use super::{FailureAction, LineOutput, LineSink, rotate};
use crate::sinks::start_gate::StartGate;
use tokio::sync::watch;

use crate::config::FileConfig;

/// A full disk is seldom empty sooner; each try costs next to nothing.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Starts the thread that writes a sink's files when its turn comes.
///
/// # Errors
/// When the file cannot be opened, or no thread can be started.
pub(in crate::sinks) fn start(name: &str, config: FileConfig, start_gate: StartGate) -> io::Result<LineSink> {
    let current = if start_gate.is_open() {
        Some(Current::open(&config.path)?)
    } else {
        // Another writes it still. Whether it can be opened is known all the same.
        OpenOptions::new().create(true).append(true).read(true).open(&config.path)?;
        None
    };
    let files = Files { current, failing: false, name: name.into(), config };
    LineSink::spawn(&format!("sink {name}"), files, start_gate, watch::Sender::new(None))
}

/// The file that is written, and how it is put aside.
struct Files {
    config: FileConfig,
    name: Box<str>,
    current: Option<Current>,
    /// Whether it was told that writing fails.
    failing: bool,
}

struct Current {
    out: BufWriter<File>,
    /// The bytes that are acknowledged.
    committed: u64,
    /// The bytes with those that are not.
    written: u64,
    /// Of its first line.
    since: Option<SystemTime>,
}

impl Current {
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let about = file.metadata()?;
        let end = whole_lines(&mut file, about.len())?;
        if end < about.len() {
            // A crash in the middle of a line: it was not acknowledged, and comes again.
            file.set_len(end)?;
        }
        // Where the system does not tell when a file was made, its last change is the best there is.
        let since = about.created().or_else(|_| about.modified()).ok().filter(|_| end > 0);
        Ok(Self { out: BufWriter::new(file), committed: end, written: end, since })
    }
}

/// Where the last whole line ends.
fn whole_lines(file: &mut File, length: u64) -> io::Result<u64> {
    const PIECE: u64 = 64 * 1024;
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        file.seek(SeekFrom::Start(start))?;
        let mut piece = Vec::new();
        (&*file).take(end - start).read_to_end(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

impl Files {
    fn current(&mut self) -> io::Result<&mut Current> {
        if self.current.is_none() {
            self.current = Some(Current::open(&self.config.path)?);
        }
        self.current.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Puts the file aside if the next line would make it too large, or it is too old.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
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
        self.make_room(line.len() as u64)?;
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
            // If this fails as well, opening it again cuts off what is no whole line.
            let _ = file.set_len(current.committed);
        }
        FailureAction::RetryAfter(TRY_AGAIN_AFTER)
    }
}

#[cfg(test)]
mod tests;
