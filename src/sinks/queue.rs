//! The bounded queue between the accounts' threads and a sink's own thread.

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

/// The most events that wait for a sink: enough for a burst of many accounts, yet few megabytes of ordinary posts.
pub(super) const MAX_QUEUED_EVENTS: usize = 1024;
/// The most bytes that wait for a sink, since a post with attachments can have megabytes.
pub(super) const MAX_QUEUED_BYTES: usize = 16 * 1024 * 1024;
/// The longest time that an event waits. A sink must answer in bounded time, so older events are returned and
/// retried.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(30);

/// The accounts' end of the queue. Clones share one queue.
#[derive(Debug)]
pub(super) struct Queue<T> {
    sender: mpsc::Sender<Job<T>>,
    waiting: Arc<Waiting>,
}

/// The sink's end of the queue.
pub(super) type JobReceiver<T> = mpsc::Receiver<Job<T>>;

/// A queued item and the sender of its outcome.
#[derive(Debug)]
pub(super) struct Job<T> {
    pub(super) item: T,
    pub(super) answer: oneshot::Sender<Outcome>,
    since: Instant,
    _room: Room,
}

/// The reason why an item was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PutError {
    /// The queue has no room now.
    Full,
    /// The sink's thread has ended.
    Closed,
}

/// The number and size of items that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    events: AtomicUsize,
    bytes: AtomicUsize,
    /// Notified when the last item is answered.
    idle: Notify,
}

/// The room of one item, released when dropped.
#[derive(Debug)]
pub(super) struct Room {
    waiting: Arc<Waiting>,
    bytes: usize,
}

impl<T> Queue<T> {
    /// Returns both ends of an empty queue.
    pub(super) fn new() -> (Self, JobReceiver<T>) {
        let (sender, jobs) = mpsc::channel(MAX_QUEUED_EVENTS);
        (Self { sender, waiting: Arc::default() }, jobs)
    }

    /// Returns true if there is no room. Check it before encoding an item, which is the expensive part.
    pub(super) fn is_full(&self) -> bool {
        let Waiting { events, bytes, .. } = &*self.waiting;
        events.load(Ordering::Acquire) >= MAX_QUEUED_EVENTS
            || bytes.load(Ordering::Acquire) >= MAX_QUEUED_BYTES
    }

    /// Queues an item. The receiver gets its outcome, or an error if the sink's thread ends first.
    pub(super) fn put(&self, item: T, bytes: usize) -> Result<oneshot::Receiver<Outcome>, PutError> {
        let (answer, answered) = oneshot::channel();
        let room = Room::take(&self.waiting, bytes);
        let job = Job { item, answer, since: Instant::now(), _room: room };
        self.sender.try_send(job).map(|()| answered).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => PutError::Full,
            mpsc::error::TrySendError::Closed(_) => PutError::Closed,
        })
    }

    /// Waits until all queued items are answered.
    pub(super) async fn wait_until_idle(&self) {
        self.waiting.wait_until_idle().await;
    }

    /// Returns the number and the bytes of the items without an answer.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.waiting.events.load(Ordering::Acquire), self.waiting.bytes.load(Ordering::Acquire))
    }
}

impl<T> Job<T> {
    /// Returns true if the sender of the item stopped waiting or waited too long; it delivers the event again.
    pub(super) fn is_abandoned(&self) -> bool {
        self.answer.is_closed() || self.since.elapsed() >= MAX_WAIT
    }

    /// Returns true if the outcome is not wanted any more: an operator skipped the event, which made it a dead letter, or it
    /// is delivered again.
    pub(super) fn is_disowned(&self) -> bool {
        self.answer.is_closed()
    }

    /// Sends the outcome, which is ignored if the receiver is gone.
    pub(super) fn settle(self, outcome: Outcome) {
        drop(self.settle_and_keep(outcome));
    }

    /// Sends the outcome and returns the item, whose room is free.
    pub(super) fn settle_and_keep(self, outcome: Outcome) -> T {
        let _ = self.answer.send(outcome);
        self.item
    }
}

impl Waiting {
    /// Waits until all items are answered.
    pub(super) async fn wait_until_idle(&self) {
        loop {
            let mut idle = pin!(self.idle.notified());
            idle.as_mut().enable();
            if self.events.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Room {
    pub(super) fn take(waiting: &Arc<Waiting>, bytes: usize) -> Self {
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
