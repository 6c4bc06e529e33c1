//! Events as lines on standard output.
//!
//! One thread writes, so that a slow reader holds up no account's thread and lines are never mixed. A line is
//! acknowledged once it is written and flushed. When the reader is slow the queue fills, the sink says *retry*,
//! and the accounts stop reading; when the reader is gone the sink is broken, and the host is told to end.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use futures_util::FutureExt as _;
use matterhost_actors::{
    model::Event,
    ports::{Delivered, EventSink, Outcome},
};
use tokio::sync::{oneshot, watch};

use crate::cloud_event;

/// Lines that may wait for the writer: a burst of many accounts, and never many megabytes of ordinary posts.
const QUEUE_LINES: usize = 1024;
/// Bytes that may wait for the writer: a post with attachments may have megabytes.
const QUEUE_BYTES: usize = 16 * 1024 * 1024;
/// Lines written before a flush even when more are waiting: each waits for its answer until then.
const FLUSH_EVERY: usize = 256;
/// Soon enough that a full queue is filled again before it is empty.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// A line that the reader has not taken by then is given up, and offered again.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Why standard output ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The reader closed it: it has heard enough.
    Closed,
    /// It cannot be written.
    Failed(String),
}

/// The sink of standard output. Clones write to the same thread.
#[derive(Debug, Clone)]
pub struct LineSink {
    queue: SyncSender<Job>,
    waiting: Arc<Waiting>,
    ended: watch::Receiver<Option<Ended>>,
}

/// What is on its way to the writer.
#[derive(Debug, Default)]
struct Waiting {
    lines: AtomicUsize,
    bytes: AtomicUsize,
}

#[derive(Debug)]
struct Job {
    line: String,
    answer: oneshot::Sender<Outcome>,
}

impl LineSink {
    /// Starts the thread that writes to `out`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE_LINES);
        let (tell_ended, ended) = watch::channel(None);
        let waiting = Arc::<Waiting>::default();
        let writer = Writer { out: io::BufWriter::new(out), jobs, waiting: Arc::clone(&waiting) };
        thread::Builder::new().name("stdout".into()).spawn(move || {
            // The receivers may be gone when the host has ended already.
            let _ = tell_ended.send(writer.run());
        })?;
        Ok(Self { queue, waiting, ended })
    }

    /// Tells when standard output ended, and why.
    pub fn ended(&self) -> watch::Receiver<Option<Ended>> {
        self.ended.clone()
    }

    fn broken(&self) -> Outcome {
        let cause = match &*self.ended.borrow() {
            Some(Ended::Failed(cause)) => cause.clone(),
            Some(Ended::Closed) | None => "standard output was closed".into(),
        };
        Outcome::Broken { cause }
    }
}

impl EventSink for LineSink {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        let full = || Outcome::Retry { after: RETRY_AFTER, cause: "standard output is slow".into() };
        // Asked before the line is made: making it is the dear part.
        if self.waiting.is_full() {
            return Delivered::Now(full());
        }
        let line = cloud_event::line(event);
        let bytes = line.len();
        let (answer, answered) = oneshot::channel();
        self.waiting.add(bytes);
        match self.queue.try_send(Job { line, answer }) {
            Ok(()) => Delivered::Later(self.clone().wait(answered).boxed()),
            Err(refused) => {
                self.waiting.remove(bytes);
                Delivered::Now(match refused {
                    TrySendError::Full(_) => full(),
                    TrySendError::Disconnected(_) => self.broken(),
                })
            }
        }
    }
}

impl LineSink {
    async fn wait(self, answered: oneshot::Receiver<Outcome>) -> Outcome {
        match tokio::time::timeout(ANSWER_WITHIN, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => self.broken(),
            Err(_) => Outcome::Retry { after: RETRY_AFTER, cause: "standard output takes nothing".into() },
        }
    }
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.lines.load(Ordering::Acquire) >= QUEUE_LINES || self.bytes.load(Ordering::Acquire) >= QUEUE_BYTES
    }

    fn add(&self, bytes: usize) {
        self.lines.fetch_add(1, Ordering::AcqRel);
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    fn remove(&self, bytes: usize) {
        self.lines.fetch_sub(1, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// The thread's own part.
struct Writer<W: Write> {
    out: io::BufWriter<W>,
    jobs: Receiver<Job>,
    waiting: Arc<Waiting>,
}

impl<W: Write> Writer<W> {
    /// Writes until nobody can send any more, or writing fails.
    fn run(mut self) -> Option<Ended> {
        while let Ok(first) = self.jobs.recv() {
            let mut written = Vec::new();
            if let Err(error) = self.write_batch(first, &mut written) {
                let ended = match error.kind() {
                    io::ErrorKind::BrokenPipe => Ended::Closed,
                    _ => Ended::Failed(error.to_string()),
                };
                // What is left in the buffer must not be tried again when it is dropped.
                drop(self.out.into_parts());
                return Some(ended);
            }
            for answer in written {
                // Whoever asked may have gone; the line is written all the same.
                let _ = answer.send(Outcome::Acknowledged);
            }
        }
        None
    }

    fn write_batch(&mut self, first: Job, written: &mut Vec<oneshot::Sender<Outcome>>) -> io::Result<()> {
        let mut next = Ok(first);
        while let Ok(job) = next {
            self.waiting.remove(job.line.len());
            // Nobody waits for it any more: it will be offered again.
            if !job.answer.is_closed() {
                self.out.write_all(job.line.as_bytes())?;
                written.push(job.answer);
            }
            next = if written.len() < FLUSH_EVERY { self.jobs.try_recv() } else { Err(TryRecvError::Empty) };
        }
        self.out.flush()
    }
}

#[cfg(test)]
#[path = "stdout_tests.rs"]
mod tests;
