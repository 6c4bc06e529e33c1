//! A queue between the program and standard error, with a thread of its own that writes.

use std::{
    cell::Cell,
    io::{self, Write},
    mem,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::MakeWriter;

/// The most bytes that wait for a slow reader: some thousands of lines. As many again may be in the hands of the thread.
const MAX_WAITING_BYTES: usize = 1024 * 1024;

/// The interval at which lines that were left out for their budget are reported, also while nothing is logged.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

thread_local! {
    /// True while the thread that writes reports lines that did not fit: that line is always accepted.
    static IS_REPORTING: Cell<bool> = const { Cell::new(false) };
}

/// A bounded queue of log lines, as the writer of a subscriber. Adding a line never blocks: a line that does not fit is counted
/// and left out, so that a reader that does not read holds nothing up. Clones share it.
#[derive(Debug, Clone)]
pub struct LogQueue(Arc<Shared>);

/// A writer of one log line into a [`LogQueue`].
#[derive(Debug)]
pub struct LineWriter<'a>(&'a LogQueue);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// True while the thread has taken lines and not written all of them, or has not yet added the report of those left out.
    is_writing: bool,
    /// The number of lines that did not fit since this was last logged.
    left_out: u64,
}

impl LogQueue {
    /// Starts the thread, which also calls `report` every few seconds.
    ///
    /// # Errors
    /// Fails if the system starts no thread.
    pub fn start(out: impl Write + Send + 'static, report: impl Fn() + Send + 'static) -> io::Result<Self> {
        let queue = Self(Arc::default());
        let shared = Arc::clone(&queue.0);
        thread::Builder::new().name("log".into()).spawn(move || shared.write_to(out, report))?;
        Ok(queue)
    }

    /// Waits until every line is written. Returns false if that takes too long, as with a reader that never reads.
    pub fn flush(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        let mut state = self.0.state.lock();
        while !state.waiting.is_empty() || state.is_writing || state.left_out > 0 {
            if self.0.changed.wait_until(&mut state, end).timed_out() {
                return false;
            }
        }
        true
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.0.state.lock();
        if state.waiting.len() + line.len() <= MAX_WAITING_BYTES || IS_REPORTING.get() {
            state.waiting.extend_from_slice(line);
        } else {
            state.left_out += 1;
        }
        drop(state);
        self.0.changed.notify_all();
    }
}

impl Shared {
    /// Writes lines for as long as the program runs.
    fn write_to(&self, mut out: impl Write, report: impl Fn()) {
        let mut next_report = Instant::now() + REPORT_INTERVAL;
        loop {
            let lines = self.take(next_report);
            // There is no other place to report that the log cannot be written.
            let _ = out.write_all(&lines).and_then(|()| out.flush());
            let left_out = self.take_left_out();
            if left_out > 0 {
                IS_REPORTING.set(true);
                tracing::warn!(
                    lines = left_out,
                    "log lines were left out: standard error was not read in time"
                );
                IS_REPORTING.set(false);
            }
            self.finish();
            if Instant::now() >= next_report {
                report();
                next_report = Instant::now() + REPORT_INTERVAL;
            }
        }
    }

    /// Takes the lines that wait; none if there are none until then.
    fn take(&self, until: Instant) -> Vec<u8> {
        let mut state = self.state.lock();
        while state.waiting.is_empty() {
            if self.changed.wait_until(&mut state, until).timed_out() {
                return Vec::new();
            }
        }
        state.is_writing = true;
        mem::take(&mut state.waiting)
    }

    /// Returns the number of lines that did not fit since the last call.
    fn take_left_out(&self) -> u64 {
        let mut state = self.state.lock();
        let left_out = mem::take(&mut state.left_out);
        state.is_writing |= left_out > 0;
        left_out
    }

    /// Records that the lines are written and the report of those left out waits.
    fn finish(&self) {
        self.state.lock().is_writing = false;
        self.changed.notify_all();
    }
}

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    /// An output that announces each write and then waits until it may go on.
    struct Gated {
        written: Sender<Vec<u8>>,
        gate: Receiver<()>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.send(bytes.to_vec()).map_err(io::Error::other)?;
            self.gate.recv().map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_do_not_fit_are_counted_without_waiting() {
        let (written, writes) = channel();
        let (open, gate) = channel();
        let queue = LogQueue::start(Gated { written, gate }, || ()).unwrap();
        queue.push(b"first\n");
        assert_eq!(writes.recv_timeout(SOON).unwrap(), b"first\n");
        let line = vec![b'x'; MAX_WAITING_BYTES / 4];
        for _ in 0..6 {
            queue.push(&line);
        }
        let state = queue.0.state.lock();
        assert_eq!((state.waiting.len(), state.left_out), (MAX_WAITING_BYTES, 2));
        drop(state);
        assert!(!queue.flush(Duration::from_millis(1)), "nothing is read");
        open.send(()).unwrap();
        assert_eq!(writes.recv_timeout(SOON).unwrap().len(), MAX_WAITING_BYTES);
        assert_eq!(queue.0.state.lock().left_out, 0, "reported");
        drop(open);
        assert!(queue.flush(SOON), "a broken output is as good as a read one");
    }
}
