//! The sink that writes to standard output. If the reader closes it, the sink is broken and the host ends.

pub use super::{LineSink, OutputEnd};

use std::io::{self, BufWriter, Write};

use tokio::sync::watch;

use super::{FailureAction, LineOutput, pipe::Pipe};
use crate::sinks::start_gate::StartGate;

/// A buffered stream; `None` once it has failed.
struct Stream<W: Write>(Option<BufWriter<W>>);

impl LineSink {
    /// Starts the thread that writes to `out`, usually standard output.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        Self::start_with_end_sender(out, watch::Sender::new(None))
    }

    /// Starts the thread, which sends the end of the output to `end_sender`.
    fn start_with_end_sender(
        out: impl Write + Send + 'static,
        end_sender: watch::Sender<Option<OutputEnd>>,
    ) -> io::Result<Self> {
        Self::spawn_stream(out, None, end_sender)
    }

    /// Starts the thread for this process's standard output.
    pub(in crate::sinks) fn start_standard_output(
        end_sender: watch::Sender<Option<OutputEnd>>,
    ) -> io::Result<Self> {
        Self::spawn_stream(io::stdout(), Pipe::open(io::stdout()), end_sender)
    }

    fn spawn_stream(
        out: impl Write + Send + 'static,
        pipe: Option<Pipe>,
        end_sender: watch::Sender<Option<OutputEnd>>,
    ) -> io::Result<Self> {
        let stream = Stream(Some(BufWriter::new(out)));
        Self::spawn("standard output", stream, pipe, StartGate::open(), end_sender)
    }
}

impl<W: Write> Stream<W> {
    fn out(&mut self) -> io::Result<&mut BufWriter<W>> {
        self.0.as_mut().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl<W: Write + Send + 'static> LineOutput for Stream<W> {
    fn write_line(&mut self, line: &str) -> io::Result<()> {
        self.out()?.write_all(line.as_bytes())
    }

    fn commit(&mut self) -> io::Result<()> {
        self.out()?.flush()
    }

    fn handle_failure(&mut self, error: &io::Error) -> FailureAction {
        // Dropping the `BufWriter` would write its buffer again.
        if let Some(out) = self.0.take() {
            drop(out.into_parts());
        }
        FailureAction::End(match error.kind() {
            io::ErrorKind::BrokenPipe => OutputEnd::Closed,
            _ => OutputEnd::Failed(error.to_string()),
        })
    }
}

#[cfg(test)]
mod tests;
