//! Events as lines on standard output. When the reader is gone the sink is broken, and the host is told to end.

use std::io::{self, BufWriter, Write};

use super::lines::{After, Out};
pub use super::lines::{Ended, LineSink};

/// A stream with one reader, who may go away.
struct Stream<W: Write>(Option<BufWriter<W>>);

impl LineSink {
    /// Starts the thread that writes to `out`, which is standard output as a rule.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        Self::spawn("standard output", Stream(Some(BufWriter::new(out))))
    }
}

impl<W: Write> Stream<W> {
    fn out(&mut self) -> io::Result<&mut BufWriter<W>> {
        self.0.as_mut().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl<W: Write + Send + 'static> Out for Stream<W> {
    fn write_line(&mut self, line: &str) -> io::Result<()> {
        self.out()?.write_all(line.as_bytes())
    }

    fn commit(&mut self) -> io::Result<()> {
        self.out()?.flush()
    }

    fn failed(&mut self, error: &io::Error) -> After {
        // What is left in the buffer must not be tried again when it is dropped.
        if let Some(out) = self.0.take() {
            drop(out.into_parts());
        }
        After::End(match error.kind() {
            io::ErrorKind::BrokenPipe => Ended::Closed,
            _ => Ended::Failed(error.to_string()),
        })
    }
}

#[cfg(test)]
#[path = "stdout_tests.rs"]
mod tests;
