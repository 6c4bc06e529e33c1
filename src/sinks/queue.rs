//! The way from the accounts' threads to a sink's own: bounded, with an answer for each.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use matterhost_actors::ports::Outcome;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};

/// Events that may wait for a sink: a burst of many accounts, and never many megabytes of ordinary posts.
pub(super) const MAX_QUEUED_EVENTS: usize = 1024;
/// Bytes that may wait for a sink: a post with attachments may have megabytes.
pub(super) const MAX_QUEUED_BYTES: usize = 16 * 1024 * 1024;
/// What waits longer is given up, and offered again: the promise is an answer in bounded time.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(30);

/// The accounts' end. Clones put into the same queue.
#[derive(Debug)]
pub(super) struct Queue<T> {
    sender: mpsc::Sender<Job<T>>,
    waiting: Arc<Waiting>,
}

/// The sink's end.
pub(super) type JobReceiver<T> = mpsc::Receiver<Job<T>>;

/// Something to be handed over.
#[derive(Debug)]
pub(super) struct Job<T> {
    pub(super) item: T,
    pub(super) answer: oneshot::Sender<Outcome>,
    since: Instant,
    _room: Room,
}

/// Why nothing was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PutError {
    /// There is no room now.
    Full,
    /// The sink's thread has ended.
    Closed,
}

/// What is on its way.
#[derive(Debug, Default)]
struct Waiting {
    events: AtomicUsize,
    bytes: AtomicUsize,
    /// Told when the last one goes.
    idle: Notify,
}

/// The room that one takes, given back when it goes.
#[derive(Debug)]
struct Room {
    waiting: Arc<Waiting>,
    bytes: usize,
}

impl<T> Queue<T> {
    /// An empty queue.
    pub(super) fn new() -> (Self, JobReceiver<T>) {
        let (sender, jobs) = mpsc::channel(MAX_QUEUED_EVENTS);
        (Self { sender, waiting: Arc::default() }, jobs)
    }

    /// Whether there is no room. To be asked before the item is made: making it is the dear part.
    pub(super) fn is_full(&self) -> bool {
        let Waiting { events, bytes, .. } = &*self.waiting;
        events.load(Ordering::Acquire) >= MAX_QUEUED_EVENTS
            || bytes.load(Ordering::Acquire) >= MAX_QUEUED_BYTES
    }

    /// Puts an item in. The answer comes later; none comes when the sink's thread ends.
    pub(super) fn put(&self, item: T, bytes: usize) -> Result<oneshot::Receiver<Outcome>, PutError> {
        let (answer, answered) = oneshot::channel();
        let room = Room::take(&self.waiting, bytes);
        let job = Job { item, answer, since: Instant::now(), _room: room };
        self.sender.try_send(job).map(|()| answered).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => PutError::Full,
            mpsc::error::TrySendError::Closed(_) => PutError::Closed,
        })
    }

    /// Waits until all that was put in is answered.
    pub(super) async fn wait_until_idle(&self) {
        loop {
            let mut told = pin!(self.waiting.idle.notified());
            told.as_mut().enable();
            if self.waiting.events.load(Ordering::Acquire) == 0 {
                return;
            }
            told.await;
        }
    }

    /// How many are in the queue itself, not yet taken out of it.
    #[cfg(test)]
    pub(super) fn len_waiting(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }

    /// How many wait, and their bytes.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.waiting.events.load(Ordering::Acquire), self.waiting.bytes.load(Ordering::Acquire))
    }
}

impl<T> Job<T> {
    /// Whether nobody needs it done any more: whoever asked has gone, or has waited too long. It is offered again.
    pub(super) fn is_abandoned(&self) -> bool {
        self.answer.is_closed() || self.since.elapsed() >= MAX_WAIT
    }

    /// Answers it. Whoever asked may have gone, and then nobody need know.
    pub(super) fn settle(self, outcome: Outcome) {
        let _ = self.answer.send(outcome);
    }
}

impl Room {
    fn take(waiting: &Arc<Waiting>, bytes: usize) -> Self {
        waiting.events.fetch_add(1, Ordering::AcqRel);
        waiting.bytes.fetch_add(bytes, Ordering::AcqRel);
        Self { waiting: Arc::clone(waiting), bytes }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        if self.waiting.events.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waiting.idle.notify_waiters();
        }
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), waiting: Arc::clone(&self.waiting) }
    }
}
