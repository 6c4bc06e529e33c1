//! Writing to a pipe without waiting for it.

use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};

use parking_lot::{RwLock, RwLockWriteGuard};

/// The longest text that a pipe takes whole or not at all (`PIPE_BUF` of Linux).
const WHOLE_BYTES: usize = 4096;

/// A pipe that takes lines at once while it has room.
#[derive(Debug)]
pub(super) struct Pipe {
    pipe: OwnedFd,
    /// Held exclusively while a line is written that may be cut into parts. Lines that are written whole share it: the pipe
    /// keeps them apart.
    writing: RwLock<()>,
}

impl Pipe {
    /// Opens a pipe; none if the output is something else, or if this system can only wait.
    pub(super) fn open(output: impl AsFd) -> Option<Self> {
        let output = output.as_fd();
        let is_pipe = rustix::fs::fstat(output).is_ok_and(|stat| {
            rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Fifo
        });
        if !is_pipe || cfg!(not(target_os = "linux")) {
            return None;
        }
        Some(Self { pipe: output.try_clone_to_owned().ok()?, writing: RwLock::new(()) })
    }

    /// Waits until no line is being written, and keeps others from it.
    pub(super) fn lock(&self) -> RwLockWriteGuard<'_, ()> {
        self.writing.write()
    }

    /// Writes a line, whole. Returns false, and has written nothing, if that is not possible without waiting.
    pub(super) fn write_at_once(&self, line: &str) -> bool {
        let Some(_whole) = self.writing.try_read() else { return false };
        line.len() <= WHOLE_BYTES && self.write(line.as_bytes())
    }

    #[cfg(target_os = "linux")]
    fn write(&self, line: &[u8]) -> bool {
        /// The offset that stands for the current position; a pipe has no other.
        const CURRENT: u64 = u64::MAX;
        // A system that cannot do this says so, and the thread writes all lines. So it is with a closed pipe: the thread
        // finds out, and reports it.
        let flags = rustix::io::ReadWriteFlags::NOWAIT;
        rustix::io::pwritev2(&self.pipe, &[IoSlice::new(line)], CURRENT, flags) == Ok(line.len())
    }

    #[cfg(not(target_os = "linux"))]
    fn write(&self, _: &[u8]) -> bool {
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        fs::File,
        io::{Read as _, Write as _, pipe},
    };

    use super::*;

    #[test]
    fn a_line_is_written_whole_or_not_at_all() {
        let (mut reader, writer) = pipe().unwrap();
        let output = Pipe::open(&writer).unwrap();
        let line = "x".repeat(999) + "\n";
        let written = (0..1_000).take_while(|_| output.write_at_once(&line)).count();
        assert!((4..1_000).contains(&written), "it ends when the pipe is full: {written}");
        assert!(!output.write_at_once(&line));
        let mut first = vec![0; line.len() * 4];
        reader.read_exact(&mut first).unwrap();
        assert!(output.write_at_once(&line), "there is room again");
        assert!(!output.write_at_once(&"x".repeat(WHOLE_BYTES + 1)), "too long to be whole");
        drop((output, writer));
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, line.repeat(written + 1 - 4));
    }

    #[test]
    fn nothing_comes_into_the_middle_of_a_long_line() {
        let (_reader, writer) = pipe().unwrap();
        let output = Pipe::open(&writer).unwrap();
        let writing = output.lock();
        assert!(!output.write_at_once("a\n"));
        drop(writing);
        assert!(output.write_at_once("a\n"));
    }

    #[test]
    fn short_lines_do_not_wait_for_each_other() {
        let (_reader, writer) = pipe().unwrap();
        let output = Pipe::open(&writer).unwrap();
        let _another = output.writing.read();
        assert!(output.write_at_once("a\n"));
    }

    #[test]
    fn a_closed_pipe_takes_nothing_and_a_file_is_none() {
        let (reader, writer) = pipe().unwrap();
        let output = Pipe::open(&writer).unwrap();
        drop(reader);
        assert!(!output.write_at_once("a\n"));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"a").unwrap();
        assert!(Pipe::open(&file as &File).is_none());
    }
}
