//! A sink that never holds back the others: an event counts as delivered when it is in the queue before it, or is
//! left out because that is full.

use std::{io, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use matterhost_actors::{
    model::{Event, Excerpt},
    policy::KeyedQueue,
    ports::{Delivered, EventSink, Outcome},
};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    handler::ThrottledWarning,
    message::ChannelKey,
    queue::{Job, JobReceiver, Queue},
    worker::{self, CloseSignal, Worker},
};
use crate::telemetry::metrics::SinkMeter;

/// As many events as the sink may have at once: it has bounds of its own, and of each channel there is one.
const IN_FLIGHT: usize = 64;
/// When a sink is broken and nobody makes a new one.
const BROKEN_RETRY: Duration = Duration::from_secs(5);
/// What is in the queue when the host ends has this long.
const DRAIN_WITHIN: Duration = Duration::from_secs(3);

/// A queue before a sink, shared by all its accounts.
#[derive(Clone)]
pub(super) struct BestEffortQueue {
    queue: Queue<Arc<Event>>,
    lost: Arc<ThrottledWarning>,
    meter: SinkMeter,
    pub(super) worker: Worker,
}

/// An event that was answered.
type Answered = (ChannelKey, Job<Arc<Event>>, Outcome);

/// The thread's own part.
struct Carrier {
    name: Arc<str>,
    sink: Arc<dyn EventSink>,
    lanes: KeyedQueue<ChannelKey, Job<Arc<Event>>>,
    answers: FuturesUnordered<BoxFuture<'static, Answered>>,
    resting: FuturesUnordered<BoxFuture<'static, ChannelKey>>,
}

impl BestEffortQueue {
    /// Starts the thread that empties the queue.
    pub(super) fn start(name: &Arc<str>, sink: Arc<dyn EventSink>, meter: SinkMeter) -> io::Result<Self> {
        let (queue, jobs) = Queue::new();
        let carrier = Carrier::new(Arc::clone(name), sink);
        let work = move |closing| carrier.run(jobs, closing);
        let worker = Worker::start(name, work)?;
        let lost = ThrottledWarning::new(name, "the sink does not keep up, and misses events (best_effort)");
        Ok(Self { queue, lost: Arc::new(lost), meter, worker })
    }
}

impl BestEffortQueue {
    /// Waits until all that it was given is with the sink behind it, and answered.
    pub(super) async fn wait_until_idle(&self) {
        self.queue.wait_until_idle().await;
    }
}

impl EventSink for BestEffortQueue {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        let bytes = event.body.data.len() + event.body.broadcast.len();
        if self.queue.is_full() || self.queue.put(Arc::clone(event), bytes).is_err() {
            self.meter.record_lost();
            self.lost.report_failure(Some(&event.account), "its queue is full");
        }
        Delivered::Now(Outcome::Acknowledged)
    }
}

impl Carrier {
    fn new(name: Arc<str>, sink: Arc<dyn EventSink>) -> Self {
        let (answers, resting) = (FuturesUnordered::new(), FuturesUnordered::new());
        Self { name, sink, lanes: KeyedQueue::new(IN_FLIGHT), answers, resting }
    }

    async fn run(mut self, mut jobs: JobReceiver<Arc<Event>>, mut closing: CloseSignal) {
        loop {
            self.pump();
            tokio::select! {
                () = worker::wait_for_close(&mut closing) => break,
                job = jobs.recv() => match job {
                    Some(job) => self.take(job),
                    None => break,
                },
                () = self.step() => {}
            }
        }
        while let Ok(job) = jobs.try_recv() {
            self.take(job);
        }
        self.drain().await;
    }

    fn take(&mut self, job: Job<Arc<Event>>) {
        self.lanes.push((job.item.account.clone(), job.item.body.channel_id.clone()), job);
    }

    /// Hands over all that may be handed over now.
    fn pump(&mut self) {
        while let Some((lane, job)) = self.lanes.take() {
            match self.sink.deliver(&job.item) {
                Delivered::Now(outcome) => self.settle(lane, job, &outcome),
                Delivered::Later(later) => {
                    self.answers.push(later.map(move |outcome| (lane, job, outcome)).boxed());
                }
            }
        }
    }

    /// Waits for an answer, or for the end of a rest.
    async fn step(&mut self) {
        tokio::select! {
            Some((lane, job, outcome)) = self.answers.next() => self.settle(lane, job, &outcome),
            Some(lane) = self.resting.next() => self.lanes.resume(&lane),
            else => std::future::pending().await,
        }
    }

    fn settle(&mut self, lane: ChannelKey, job: Job<Arc<Event>>, outcome: &Outcome) {
        let after = match outcome {
            Outcome::Acknowledged => return self.lanes.complete(&lane),
            Outcome::Rejected { cause } => {
                // Nobody else hears of it.
                let (account, sink) = (job.item.account.as_str(), &*self.name);
                tracing::warn!(account, sink, "an event was refused for good: {}", Excerpt::of(cause));
                return self.lanes.complete(&lane);
            }
            Outcome::Retry { after, .. } => *after,
            Outcome::Broken { .. } => BROKEN_RETRY,
        };
        self.lanes.pause(&lane, job);
        self.resting.push(sleep(after).map(move |()| lane).boxed());
    }

    async fn drain(&mut self) {
        let end = Instant::now() + DRAIN_WITHIN;
        while !self.lanes.is_empty() {
            self.pump();
            tokio::select! {
                () = self.step() => {}
                () = sleep_until(end) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests;
