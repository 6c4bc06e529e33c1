//! A sink that never delays the others of an account: an event counts as delivered once it is queued, or dropped
//! because the queue is full.

use std::{io, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use matterhost_actors::{
    model::{Event, Excerpt},
    policy::KeyedQueue,
    ports::{Delivered, EventSink, LONGEST_RETRY, Outcome},
};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    handler::ThrottledWarning,
    message::ChannelKey,
    monitor::SinkMonitor,
    queue::{Job, JobReceiver, Queue},
    worker::{self, CloseSignal, Worker},
};
use crate::telemetry::metrics::SinkMeter;

/// The most events with the sink at once. The sink has limits of its own, and gets one event per channel at a time.
const IN_FLIGHT: usize = 64;
/// The delay before an event is offered to a broken sink again.
const BROKEN_RETRY: Duration = Duration::from_secs(5);
/// The time to deliver queued events when the host ends.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// A queue in front of a sink, shared by all its accounts.
#[derive(Clone)]
pub(super) struct BestEffortQueue {
    queue: Queue<Arc<Event>>,
    lost: Arc<ThrottledWarning>,
    meter: SinkMeter,
    pub(super) worker: Worker,
}

/// An answered event.
type Answered = (ChannelKey, Job<Arc<Event>>, Outcome);

/// The task on the queue's thread, which delivers the events to the sink.
struct Forwarder {
    name: Arc<str>,
    sink: Arc<dyn EventSink>,
    monitor: SinkMonitor,
    channels: KeyedQueue<ChannelKey, Job<Arc<Event>>>,
    answers: FuturesUnordered<BoxFuture<'static, Answered>>,
    backing_off: FuturesUnordered<BoxFuture<'static, ChannelKey>>,
}

impl BestEffortQueue {
    /// Starts the thread that delivers queued events.
    pub(super) fn start(
        name: &Arc<str>,
        sink: Arc<dyn EventSink>,
        meter: SinkMeter,
        monitor: SinkMonitor,
    ) -> io::Result<Self> {
        let (queue, jobs) = Queue::new();
        let forwarder = Forwarder::new(Arc::clone(name), sink, monitor);
        let work = move |closing| forwarder.run(jobs, closing);
        let worker = Worker::start(name, work)?;
        let lost = ThrottledWarning::new(name, "the sink does not keep up and misses events (best_effort)");
        Ok(Self { queue, lost: Arc::new(lost), meter, worker })
    }

    /// Waits until the sink has answered all queued events.
    pub(super) async fn wait_until_idle(&self) {
        self.queue.wait_until_idle().await;
    }
}

impl EventSink for BestEffortQueue {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        let bytes = event.body.kept_bytes();
        if self.queue.is_full() || self.queue.put(Arc::clone(event), bytes).is_err() {
            self.meter.record_lost();
            let place = (event.account.as_str(), event.body.channel_id.as_str(), &*event.id());
            self.lost.report_failure_at(place, "its queue is full");
        }
        Delivered::Now(Outcome::Acknowledged)
    }
}

impl Forwarder {
    fn new(name: Arc<str>, sink: Arc<dyn EventSink>, monitor: SinkMonitor) -> Self {
        let (answers, backing_off) = (FuturesUnordered::new(), FuturesUnordered::new());
        Self { name, sink, monitor, channels: KeyedQueue::new(IN_FLIGHT), answers, backing_off }
    }

    async fn run(mut self, mut jobs: JobReceiver<Arc<Event>>, mut closing: CloseSignal) {
        loop {
            self.deliver_ready();
            tokio::select! {
                () = worker::wait_for_close(&mut closing) => break,
                job = jobs.recv() => match job {
                    Some(job) => self.enqueue(job),
                    None => break,
                },
                () = self.step() => {}
            }
        }
        while let Ok(job) = jobs.try_recv() {
            self.enqueue(job);
        }
        self.drain().await;
    }

    fn enqueue(&mut self, job: Job<Arc<Event>>) {
        self.channels.push((job.item.account.clone(), job.item.body.channel_id.clone()), job);
    }

    /// Delivers all events whose channel is ready.
    fn deliver_ready(&mut self) {
        while let Some((channel, job)) = self.channels.take() {
            match self.sink.deliver(&job.item) {
                Delivered::Now(outcome) => self.settle(channel, job, &outcome),
                Delivered::Later(later) => {
                    self.answers.push(later.map(move |outcome| (channel, job, outcome)).boxed());
                }
            }
        }
    }

    /// Waits for an answer or for the end of a back-off, and handles it.
    async fn step(&mut self) {
        tokio::select! {
            Some((channel, job, outcome)) = self.answers.next() => self.settle(channel, job, &outcome),
            Some(channel) = self.backing_off.next() => self.channels.resume(&channel),
            else => std::future::pending().await,
        }
    }

    fn settle(&mut self, channel: ChannelKey, job: Job<Arc<Event>>, outcome: &Outcome) {
        let after = match outcome {
            Outcome::Acknowledged => return self.channels.complete(&channel),
            Outcome::Rejected { cause } => {
                // The account got its acknowledgement long ago, so the log is the only report.
                let (account, sink) = (job.item.account.as_str(), &*self.name);
                let (place, event) = (job.item.body.channel_id.as_str(), job.item.id());
                tracing::warn!(
                    account,
                    sink,
                    channel = place,
                    event,
                    "an event was rejected: {}",
                    Excerpt::of(cause)
                );
                return self.channels.complete(&channel);
            }
            Outcome::Retry { after, .. } | Outcome::Hold { after, .. } => LONGEST_RETRY.min(*after),
            Outcome::Broken { .. } => BROKEN_RETRY,
        };
        self.channels.pause(&channel, job);
        let mut commands = self.monitor.commands();
        let waiting = async move {
            tokio::select! {
                () = sleep(after) => {}
                () = commands.retry() => {}
            }
            channel
        };
        self.backing_off.push(waiting.boxed());
    }

    async fn drain(&mut self) {
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        while !self.channels.is_empty() {
            self.deliver_ready();
            tokio::select! {
                () = self.step() => {}
                () = sleep_until(deadline) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests;
