//! Events as HTTP requests to a handler, signed by the convention of Standard Webhooks.
//!
//! A thread of its own sends them: of each channel one at a time, for so do accounts hand them over, and of all
//! together at most as many as the sink may have under way. What may pass is tried again for ever, with growing
//! delays for its channel; what the handler refuses for good goes to the dead letters.

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
    worker::{self, CloseSignal, Worker},
};
use crate::config::WebhookConfig;

/// A handler that restarts is back within seconds; one that is down for hours is asked once a minute by each
/// channel with news.
const RETRY: Delays =
    Delays { min: Duration::from_millis(500), max: Duration::from_secs(60), random_factor: 0.2 };
/// Soon enough that slots do not lie idle while events wait.
const FULL_RETRY: Duration = Duration::from_millis(100);
/// Channels whose delays are remembered; beyond them the longest delay is taken, so that memory has a bound.
const MOST_FAILING: usize = 10_000;

/// A webhook, as accounts hand events to it. Clones send by the same thread.
#[derive(Clone)]
pub(super) struct Webhook {
    queue: Queue<Message>,
    pause: Arc<Pause>,
    pub(super) worker: Worker,
}

/// The thread's own part.
struct Sender {
    handler: HandlerClient,
    handler_deps: HandlerDeps,
    pause: Arc<Pause>,
    batch: usize,
    slots: Arc<Semaphore>,
    /// How long the channels that failed last wait.
    failing: RefCell<HashMap<ChannelKey, Backoff>>,
    trouble: ThrottledWarning,
    bad_answers: ThrottledWarning,
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

    /// Waits until all that it was given is answered.
    pub(super) async fn wait_until_idle(&self) {
        self.queue.wait_until_idle().await;
    }

    /// Hands a message over.
    pub(super) fn submit(&self, message: Message) -> Delivered {
        self.worker.submit(&self.queue, message, queue_full())
    }
}

impl EventSink for Webhook {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if let Some(left) = self.pause.remaining() {
            let cause = "the handler wants a pause".into();
            return Delivered::Now(Outcome::Retry { after: left, cause });
        }
        if self.queue.is_full() {
            return Delivered::Now(queue_full());
        }
        self.submit(Message::from_event(event))
    }
}

fn queue_full() -> Outcome {
    Outcome::Retry { after: FULL_RETRY, cause: "as many wait as may".into() }
}

impl Sender {
    fn new(config: WebhookConfig, handler_deps: HandlerDeps, pause: Arc<Pause>) -> Self {
        Self {
            batch: config.batch,
            slots: Arc::new(Semaphore::new(config.concurrency)),
            trouble: ThrottledWarning::new(
                &handler_deps.sink,
                "the handler does not take events; trying again",
            ),
            bad_answers: ThrottledWarning::new(
                &handler_deps.sink,
                "an answer cannot be used, and nothing is posted",
            ),
            handler: HandlerClient::new(&handler_deps.sink, config),
            failing: RefCell::default(),
            handler_deps,
            pause,
        }
    }

    /// Sends what comes, until it is told to end. What is under way then is dropped, and comes again.
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
            let due = std::iter::once(first).chain(more).filter_map(still_due).collect::<Vec<_>>();
            if !due.is_empty() {
                tokio::task::spawn_local(Rc::clone(&self).hand_over(due, slot));
            }
        }
    }

    async fn hand_over(self: Rc<Self>, due: Vec<Job<Message>>, _slot: OwnedSemaphorePermit) {
        let events: Vec<_> = due.iter().map(|job| &job.item).collect();
        match self.handler.deliver(&events).await {
            // Which of them it is about nobody says: each is asked for by itself.
            Verdict::Refused { .. } if due.len() > 1 => {
                for job in due {
                    let verdict = self.handler.deliver(&[&job.item]).await;
                    self.settle(vec![job], verdict).await;
                }
            }
            verdict => self.settle(due, verdict).await,
        }
    }

    async fn settle(&self, due: Vec<Job<Message>>, verdict: Verdict) {
        match verdict {
            Verdict::Accepted(answer) => {
                self.taken(&due);
                self.answered(&due, answer).await;
                for job in due {
                    job.settle(Outcome::Acknowledged);
                }
            }
            Verdict::RetryLater { cause, pause } => {
                if let Some(pause) = pause {
                    self.pause.begin(pause);
                }
                for job in due {
                    self.trouble.report_failure(Some(&job.item.account), &cause);
                    let after = self.delay(&job.item).max(pause.unwrap_or_default());
                    job.settle(Outcome::Retry { after, cause: cause.clone() });
                }
            }
            Verdict::Refused { cause } => {
                self.taken(&due);
                for job in due {
                    let outcome = self.handler_deps.rejected(&job.item, &cause);
                    job.settle(outcome);
                }
            }
        }
    }

    /// The handler has spoken: these channels' delays begin anew.
    fn taken(&self, due: &[Job<Message>]) {
        self.trouble.report_success();
        let mut failing = self.failing.borrow_mut();
        for job in due {
            failing.remove(&job.item.channel_key());
        }
    }

    async fn answered(
        &self,
        due: &[Job<Message>],
        answer: Result<Vec<super::reply::Reply>, super::reply::ReplyParseError>,
    ) {
        match answer {
            Ok(replies) => {
                for reply in replies {
                    self.handler_deps.post(reply).await;
                }
            }
            Err(error) => {
                let account = due.first().map(|job| &job.item.account);
                self.bad_answers.report_failure(account, &error.to_string());
            }
        }
    }

    /// How long the event's channel waits this time.
    fn delay(&self, event: &Message) -> Duration {
        let mut failing = self.failing.borrow_mut();
        let lane = event.channel_key();
        if failing.len() >= MOST_FAILING && !failing.contains_key(&lane) {
            return RETRY.max;
        }
        failing.entry(lane).or_insert_with(|| Backoff::new(RETRY)).next_delay()
    }
}

/// The job, unless nobody needs it done now.
fn still_due(job: Job<Message>) -> Option<Job<Message>> {
    if !job.is_abandoned() {
        return Some(job);
    }
    job.settle(queue_full());
    None
}

#[cfg(test)]
mod tests;
