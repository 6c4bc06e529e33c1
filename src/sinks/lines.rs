//! Sinks that write events as lines. One thread writes, so that a slow disk or reader does not block an account's
//! thread and lines are never interleaved.
//!
//! A line is acknowledged once it is committed. If writing is slow, the queue fills, the sink answers *retry*, and
//! the accounts stop reading.
//!
//! A pipe that has room takes a line without the thread, at once and whole: two switches of threads cost more than the
//! write.

pub(crate) mod file;
pub(super) mod last_line;
mod pipe;
pub(crate) mod rotate;
pub mod stdout;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
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

use super::{
    cloud_event,
    handler::ThrottledWarning,
    lines::pipe::Pipe,
    queue::{Job, JobReceiver, MAX_WAIT, PutError, Queue},
    start_gate::StartGate,
};

/// The most lines per commit. The first of them waits for its answer until the commit.
pub(super) const MAX_BATCH_LINES: usize = 256;
/// Short, so that a full queue is refilled before it is empty.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// A destination of lines.
pub(super) trait LineOutput: Send + 'static {
    /// Writes a line, which includes its newline, possibly into a buffer.
    fn write_line(&mut self, line: &str) -> io::Result<()>;

    /// Makes the written lines as durable as the destination promises.
    fn commit(&mut self) -> io::Result<()>;

    /// Discards the lines that are not committed, and returns the consequence.
    fn handle_failure(&mut self, error: &io::Error) -> FailureAction;
}

/// The consequence of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FailureAction {
    /// The output has ended.
    End(OutputEnd),
    /// Writing can be retried after this time.
    RetryAfter(Duration),
}

/// The reason why the output ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputEnd {
    /// The reader closed it.
    Closed,
    /// It cannot be written, for this reason.
    Failed(String),
}

/// A sink that writes lines. Clones share one thread.
#[derive(Debug, Clone)]
pub struct LineSink {
    pub(super) queue: Queue<Line>,
    ended: watch::Receiver<Option<OutputEnd>>,
    /// The output, if it is a pipe.
    pipe: Option<Arc<Pipe>>,
    /// Dropped with the last clone, so that a thread at a closed start gate stops waiting.
    owners: Arc<watch::Sender<()>>,
    /// The name in causes.
    name: Arc<str>,
    stuck: Arc<ThrottledWarning>,
}

/// A line for the thread.
#[derive(Debug)]
pub(super) struct Line {
    text: String,
    /// Set by the thread when it takes the line, or by the account when it stops waiting; the first of the two decides.
    claimed: Arc<AtomicBool>,
}

impl LineSink {
    /// Starts the thread, which writes once the gate opens and sends the end of the output to `end_sender`. `name` is
    /// used in causes and for the thread.
    fn spawn(
        name: &str,
        out: impl LineOutput,
        pipe: Option<Pipe>,
        start_gate: StartGate,
        end_sender: watch::Sender<Option<OutputEnd>>,
    ) -> io::Result<Self> {
        let (queue, jobs) = Queue::new();
        let ended = end_sender.subscribe();
        let pipe = pipe.map(Arc::new);
        let writer = Writer { out, jobs, pipe: pipe.clone() };
        let (owners, owned) = watch::channel(());
        let start_gate = start_gate.into_blocking(owned);
        thread::Builder::new().name(name.into()).spawn(move || {
            if start_gate.is_some_and(|start_gate| start_gate.blocking_recv().is_ok()) {
                // All clones were dropped before anything was written.
                return;
            }
            // The receivers are gone if the host has ended already.
            let _ = end_sender.send(writer.run());
        })?;
        let stuck = ThrottledWarning::new(&name.into(), "a line cannot be written; waiting");
        Ok(Self { queue, ended, pipe, owners: Arc::new(owners), name: name.into(), stuck: Arc::new(stuck) })
    }

    /// Waits until the thread has ended, which requires that all other clones are dropped.
    pub(super) async fn end(self) {
        // Queued lines are written first, even if the gate is still closed.
        let Self { queue, mut ended, owners, .. } = self;
        drop(queue);
        while ended.changed().await.is_ok() {}
        drop(owners);
    }

    /// Returns a receiver of the reason why the output ended.
    pub fn subscribe_end(&self) -> watch::Receiver<Option<OutputEnd>> {
        self.ended.clone()
    }

    fn broken_outcome(&self) -> Outcome {
        let cause = match &*self.ended.borrow() {
            Some(OutputEnd::Failed(cause)) => cause.clone(),
            Some(OutputEnd::Closed) | None => format!("{} was closed", self.name),
        };
        Outcome::Broken { cause }
    }

    fn retry_outcome(&self) -> Outcome {
        Outcome::Retry { after: RETRY_AFTER, cause: format!("{} is slow", self.name) }
    }

    /// Waits for the outcome of a line. A line that the thread has is waited for without limit: it may be written
    /// already, and would be written twice if its event came again.
    async fn wait(
        self,
        event: Arc<Event>,
        mut answered: oneshot::Receiver<Outcome>,
        claimed: Arc<AtomicBool>,
    ) -> Outcome {
        loop {
            match tokio::time::timeout(MAX_WAIT, &mut answered).await {
                Ok(Ok(outcome)) => return outcome,
                Ok(Err(_)) => return self.broken_outcome(),
                Err(_) if claimed.swap(true, Ordering::AcqRel) => {
                    let wait = humantime::format_duration(MAX_WAIT);
                    let cause = format!("{} has taken nothing for {wait} or longer", self.name);
                    let place = (event.account.as_str(), event.body.channel_id.as_str(), &*event.id());
                    self.stuck.report_failure_at(place, &cause);
                }
                Err(_) => {
                    let cause = format!("{} has not accepted the line in time", self.name);
                    return Outcome::Retry { after: RETRY_AFTER, cause };
                }
            }
        }
    }
}

impl EventSink for LineSink {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if self.queue.is_full() {
            return Delivered::Now(self.retry_outcome());
        }
        // Lines in the queue do not have to go first: a channel's next event comes after the answer to its last one.
        let write = |line: &str| self.pipe.as_ref().is_some_and(|pipe| pipe.write_at_once(line));
        let unwritten = |line: &str| (!write(line)).then(|| line.to_owned());
        let Some(text) = cloud_event::with_line(event, unwritten) else {
            return Delivered::Now(Outcome::Acknowledged);
        };
        let claimed = Arc::<AtomicBool>::default();
        let bytes = text.capacity();
        match self.queue.put(Line { text, claimed: Arc::clone(&claimed) }, bytes) {
            Ok(answered) => Delivered::Later(self.clone().wait(Arc::clone(event), answered, claimed).boxed()),
            Err(PutError::Full) => Delivered::Now(self.retry_outcome()),
            Err(PutError::Closed) => Delivered::Now(self.broken_outcome()),
        }
    }
}

/// The loop on the sink's thread.
struct Writer<O: LineOutput> {
    out: O,
    jobs: JobReceiver<Line>,
    pipe: Option<Arc<Pipe>>,
}

impl<O: LineOutput> Writer<O> {
    /// Writes until all senders are gone or the output ends. Returns the reason for the latter.
    fn run(mut self) -> Option<OutputEnd> {
        let mut written = Vec::new();
        while let Some(first) = self.jobs.blocking_recv() {
            let outcome = match self.write_batch(first, &mut written) {
                Ok(()) => Outcome::Acknowledged,
                Err(error) => match self.out.handle_failure(&error) {
                    FailureAction::End(ended) => return Some(ended),
                    FailureAction::RetryAfter(after) => Outcome::Retry { after, cause: error.to_string() },
                },
            };
            for answer in written.drain(..) {
                // The receiver may be gone; the line is written anyway.
                let _ = answer.send(outcome.clone());
            }
        }
        None
    }

    fn write_batch(
        &mut self,
        first: Job<Line>,
        written: &mut Vec<oneshot::Sender<Outcome>>,
    ) -> io::Result<()> {
        // A long line is written in parts, and no other may come between them.
        let pipe = self.pipe.clone();
        let _alone = pipe.as_ref().map(|pipe| pipe.lock());
        let mut next = Some(first);
        while let Some(job) = next {
            // A line without a waiting account is skipped: its event is delivered again.
            let Job { item, answer, .. } = job;
            if !answer.is_closed() && !item.claimed.swap(true, Ordering::AcqRel) {
                written.push(answer);
                self.out.write_line(&item.text)?;
            }
            next = if written.len() < MAX_BATCH_LINES { self.jobs.try_recv().ok() } else { None };
        }
        self.out.commit()
    }
}
