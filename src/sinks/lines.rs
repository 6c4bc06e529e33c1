//! Events as lines: one thread writes, so that a slow disk or reader holds up no account's thread and lines are
//! never mixed.
//!
//! A line is acknowledged once it is committed. When writing is slow the queue fills, the sink says *retry*, and
//! the accounts stop reading.
pub(crate) mod file;
pub(crate) mod rotate;
pub mod stdout;

use std::{io, sync::Arc, thread, time::Duration};

use futures_util::FutureExt as _;
use matterhost_actors::{
    model::Event,
    ports::{Delivered, EventSink, Outcome},
};
use tokio::sync::{oneshot, watch};

use super::cloud_event;
use super::{
    queue::{Job, JobReceiver, MAX_WAIT, PutError, Queue},
    start_gate::StartGate,
};

/// Lines written before a commit even when more are waiting: each waits for its answer until then.
pub(super) const MAX_BATCH_LINES: usize = 256;
/// Soon enough that a full queue is filled again before it is empty.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// Where lines are written.
pub(super) trait LineOutput: Send + 'static {
    /// Writes a line, its newline included; it may stay in a buffer.
    fn write_line(&mut self, line: &str) -> io::Result<()>;

    /// Brings what was written to where it cannot be lost any more.
    fn commit(&mut self) -> io::Result<()>;

    /// Forgets what was written and not committed; says what follows.
    fn handle_failure(&mut self, error: &io::Error) -> FailureAction;
}

/// What follows a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FailureAction {
    /// Nothing: it is over.
    End(OutputEnd),
    /// It may work again after a while.
    RetryAfter(Duration),
}

/// Why the output ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputEnd {
    /// The reader closed it: it has heard enough.
    Closed,
    /// It cannot be written.
    Failed(String),
}

/// A sink that writes lines. Clones write by the same thread.
#[derive(Debug, Clone)]
pub struct LineSink {
    pub(super) queue: Queue<String>,
    ended: watch::Receiver<Option<OutputEnd>>,
    /// Goes with the last clone: a thread whose turn has not come waits no longer then.
    wanted: Arc<watch::Sender<()>>,
    /// What it is called in causes.
    what: Arc<str>,
}

impl LineSink {
    /// Starts the thread that writes when its turn comes, and tells its end there; `what` it writes to is what it is
    /// called.
    pub(super) fn spawn(
        what: &str,
        out: impl LineOutput,
        start_gate: StartGate,
        end_sender: watch::Sender<Option<OutputEnd>>,
    ) -> io::Result<Self> {
        let (queue, jobs) = Queue::new();
        let ended = end_sender.subscribe();
        let writer = Writer { out, jobs };
        let (wanted, is_wanted) = watch::channel(());
        let start_gate = start_gate.into_blocking(is_wanted);
        thread::Builder::new().name(what.into()).spawn(move || {
            if start_gate.is_some_and(|start_gate| start_gate.blocking_recv().is_ok()) {
                // Nobody wants it, and nothing was begun.
                return;
            }
            // The receivers may be gone when the host has ended already.
            let _ = end_sender.send(writer.run());
        })?;
        Ok(Self { queue, ended, wanted: Arc::new(wanted), what: what.into() })
    }

    /// Waits until its thread has ended: nobody else must have a clone of it.
    pub(super) async fn end(self) {
        // What it has is written first, also when its turn has yet to come.
        let Self { queue, mut ended, wanted, .. } = self;
        drop(queue);
        while ended.changed().await.is_ok() {}
        drop(wanted);
    }

    /// Tells when the output ended, and why.
    pub fn subscribe_end(&self) -> watch::Receiver<Option<OutputEnd>> {
        self.ended.clone()
    }

    fn broken(&self) -> Outcome {
        let cause = match &*self.ended.borrow() {
            Some(OutputEnd::Failed(cause)) => cause.clone(),
            Some(OutputEnd::Closed) | None => format!("{} was closed", self.what),
        };
        Outcome::Broken { cause }
    }

    fn slow(&self) -> Outcome {
        Outcome::Retry { after: RETRY_AFTER, cause: format!("{} is slow", self.what) }
    }

    async fn wait(self, answered: oneshot::Receiver<Outcome>) -> Outcome {
        match tokio::time::timeout(MAX_WAIT, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => self.broken(),
            Err(_) => Outcome::Retry { after: RETRY_AFTER, cause: format!("{} takes nothing", self.what) },
        }
    }
}

impl EventSink for LineSink {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if self.queue.is_full() {
            return Delivered::Now(self.slow());
        }
        let line = cloud_event::encode_line(event);
        let bytes = line.len();
        match self.queue.put(line, bytes) {
            Ok(answered) => Delivered::Later(self.clone().wait(answered).boxed()),
            Err(PutError::Full) => Delivered::Now(self.slow()),
            Err(PutError::Closed) => Delivered::Now(self.broken()),
        }
    }
}

/// The thread's own part.
struct Writer<O: LineOutput> {
    out: O,
    jobs: JobReceiver<String>,
}

impl<O: LineOutput> Writer<O> {
    /// Writes until nobody can send any more, or it is over.
    fn run(mut self) -> Option<OutputEnd> {
        while let Some(first) = self.jobs.blocking_recv() {
            let mut written = Vec::new();
            let outcome = match self.write_batch(first, &mut written) {
                Ok(()) => Outcome::Acknowledged,
                Err(error) => match self.out.handle_failure(&error) {
                    FailureAction::End(ended) => return Some(ended),
                    FailureAction::RetryAfter(after) => Outcome::Retry { after, cause: error.to_string() },
                },
            };
            for answer in written {
                // Whoever asked may have gone; the line is written all the same.
                let _ = answer.send(outcome.clone());
            }
        }
        None
    }

    fn write_batch(
        &mut self,
        first: Job<String>,
        written: &mut Vec<oneshot::Sender<Outcome>>,
    ) -> io::Result<()> {
        let mut next = Some(first);
        while let Some(job) = next {
            // Nobody waits for it any more: it will be offered again.
            if !job.answer.is_closed() {
                let Job { item, answer, .. } = job;
                written.push(answer);
                self.out.write_line(&item)?;
            }
            next = if written.len() < MAX_BATCH_LINES { self.jobs.try_recv().ok() } else { None };
        }
        self.out.commit()
    }
}
