//! The webhook sink: events go to a handler as HTTP requests, signed as in Standard Webhooks.
//!
//! One thread sends them, with a limited number of requests at a time. Each channel has one event in flight, because
//! accounts deliver a channel's events one at a time. Transient failures are retried for ever, with growing delays
//! per channel; permanently refused events become dead letters.

mod request;
mod sign;
mod verdict;

use std::{cell::RefCell, collections::HashMap, io, rc::Rc, sync::Arc, time::Duration};

use matterhost_actors::{
    model::Event,
    policy::{Backoff, Delays},
    ports::{Delivered, EventSink, Outcome},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::{request::HandlerClient, verdict::Verdict};
use super::{
    HandlerDeps,
    handler::{Pause, ThrottledWarning},
    message::{ChannelKey, Message},
    queue::{Job, JobReceiver, Queue},
    reply::{Reply, ReplyParseError},
    worker::{self, CloseSignal, Worker},
};
use crate::config::WebhookConfig;

/// A restarting handler is back within seconds; one that is down for hours gets one request a minute from each
/// channel with waiting events.
const RETRY: Delays =
    Delays { min: Duration::from_millis(500), max: Duration::from_secs(60), random_factor: 0.2 };
/// Short, so that request slots are not idle while events wait.
const FULL_RETRY: Duration = Duration::from_millis(100);
/// The most channels with a delay of their own, which bounds memory; further channels get the longest delay.
const MAX_FAILING_CHANNELS: usize = 10_000;

/// The accounts' handle of a webhook. Clones share one thread.
#[derive(Clone)]
pub(super) struct Webhook {
    queue: Queue<Message>,
    pause: Arc<Pause>,
    pub(super) worker: Worker,
}

/// The task on the sink's thread, which sends the requests.
struct Sender {
    handler: HandlerClient,
    handler_deps: HandlerDeps,
    pause: Arc<Pause>,
    batch: usize,
    slots: Arc<Semaphore>,
    /// The delays of channels whose last request failed.
    backoffs: RefCell<HashMap<ChannelKey, Backoff>>,
    unavailable: ThrottledWarning,
    unusable_answer: ThrottledWarning,
}

impl Webhook {
    /// Starts the thread.
    pub(super) fn start(config: WebhookConfig, handler_deps: HandlerDeps) -> io::Result<Self> {
        let (queue, jobs) = Queue::new();
        let pause = Arc::<Pause>::default();
        let shared = Arc::clone(&pause);
        let name = Arc::clone(&handler_deps.sink);
        let work = move |closing| async move {
            Rc::new(Sender::new(config, handler_deps, shared)).run(jobs, closing).await;
        };
        let worker = Worker::start(&name, work)?;
        Ok(Self { queue, pause, worker })
    }

    /// Waits until all delivered events are answered.
    pub(super) async fn wait_until_idle(&self) {
        self.queue.wait_until_idle().await;
    }

    /// Queues a message for sending.
    pub(super) fn submit(&self, message: Message) -> Delivered {
        self.worker.submit(&self.queue, message, queue_full())
    }
}

impl EventSink for Webhook {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if let Some(left) = self.pause.remaining() {
            let cause = "the handler asked for a pause".into();
            return Delivered::Now(Outcome::Retry { after: left, cause });
        }
        if self.queue.is_full() {
            return Delivered::Now(queue_full());
        }
        self.submit(Message::from_event(event))
    }
}

fn queue_full() -> Outcome {
    Outcome::Retry { after: FULL_RETRY, cause: "the sink's queue is full".into() }
}

impl Sender {
    fn new(config: WebhookConfig, handler_deps: HandlerDeps, pause: Arc<Pause>) -> Self {
        Self {
            batch: config.batch,
            slots: Arc::new(Semaphore::new(config.concurrency)),
            unavailable: ThrottledWarning::new(
                &handler_deps.sink,
                "the handler does not accept events; trying again",
            ),
            unusable_answer: ThrottledWarning::new(
                &handler_deps.sink,
                "an answer cannot be used; no reply is posted",
            ),
            handler: HandlerClient::new(&handler_deps.sink, config),
            backoffs: RefCell::default(),
            handler_deps,
            pause,
        }
    }

    /// Sends events until the sink closes. Requests in flight are then dropped, and their events delivered again.
    async fn run(self: Rc<Self>, mut jobs: JobReceiver<Message>, mut closing: CloseSignal) {
        loop {
            let work = async {
                let first = jobs.recv().await?;
                let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
                Some((first, slot))
            };
            let next = tokio::select! {
                () = worker::wait_for_close(&mut closing) => None,
                next = work => next,
            };
            let Some((first, slot)) = next else { return };
            let more = std::iter::from_fn(|| jobs.try_recv().ok()).take(self.batch - 1);
            let batch = std::iter::once(first).chain(more).filter_map(unless_abandoned).collect::<Vec<_>>();
            if !batch.is_empty() {
                tokio::task::spawn_local(Rc::clone(&self).send_batch(batch, slot));
            }
        }
    }

    async fn send_batch(self: Rc<Self>, batch: Vec<Job<Message>>, _slot: OwnedSemaphorePermit) {
        let events: Vec<_> = batch.iter().map(|job| &job.item).collect();
        match self.handler.deliver(&events).await {
            // The status does not say which event of the batch was refused, so each is sent alone.
            Verdict::Refused { .. } if batch.len() > 1 => {
                for job in batch {
                    let verdict = self.handler.deliver(&[&job.item]).await;
                    self.settle(vec![job], verdict).await;
                }
            }
            verdict => self.settle(batch, verdict).await,
        }
    }

    async fn settle(&self, batch: Vec<Job<Message>>, verdict: Verdict) {
        match verdict {
            Verdict::Accepted(answer) => {
                self.reset_delays(&batch);
                self.post_replies(&batch, answer).await;
                for job in batch {
                    job.settle(Outcome::Acknowledged);
                }
            }
            Verdict::RetryLater { cause, pause } => {
                if let Some(pause) = pause {
                    self.pause.begin(pause);
                }
                for job in batch {
                    self.unavailable.report_failure(Some(&job.item.account), &cause);
                    let after = self.next_delay(&job.item).max(pause.unwrap_or_default());
                    job.settle(Outcome::Retry { after, cause: cause.clone() });
                }
            }
            Verdict::Refused { cause } => {
                self.reset_delays(&batch);
                for job in batch {
                    let outcome = self.handler_deps.reject(&job.item, &cause);
                    job.settle(outcome);
                }
            }
        }
    }

    /// Resets the delays of the channels after a final answer.
    fn reset_delays(&self, batch: &[Job<Message>]) {
        self.unavailable.report_success();
        let mut backoffs = self.backoffs.borrow_mut();
        for job in batch {
            backoffs.remove(&job.item.channel_key());
        }
    }

    async fn post_replies(&self, batch: &[Job<Message>], answer: Result<Vec<Reply>, ReplyParseError>) {
        match answer {
            Ok(replies) => {
                for reply in replies {
                    self.handler_deps.post(reply).await;
                }
            }
            Err(error) => {
                let account = batch.first().map(|job| &job.item.account);
                self.unusable_answer.report_failure(account, &error.to_string());
            }
        }
    }

    /// Returns the next delay of the event's channel.
    fn next_delay(&self, event: &Message) -> Duration {
        let mut backoffs = self.backoffs.borrow_mut();
        let channel = event.channel_key();
        if backoffs.len() >= MAX_FAILING_CHANNELS && !backoffs.contains_key(&channel) {
            return RETRY.max;
        }
        backoffs.entry(channel).or_insert_with(|| Backoff::new(RETRY)).next_delay()
    }
}

/// Returns the job unless its sender has stopped waiting.
fn unless_abandoned(job: Job<Message>) -> Option<Job<Message>> {
    if !job.is_abandoned() {
        return Some(job);
    }
    job.settle(queue_full());
    None
}

#[cfg(test)]
mod tests;
