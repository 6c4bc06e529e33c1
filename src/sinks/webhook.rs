//! The webhook sink: events go to a handler as HTTP requests, signed as in Standard Webhooks.
//!
//! One thread sends them, with a limited number of requests at a time, which accounts share. Each channel has one event in
//! flight, because accounts deliver a channel's events one at a time. Failures are retried with growing delays per
//! channel. Refused events, and events that fail too often or for too long, become dead letters.

mod answer_actions;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod request;
mod sign;
mod verdict;

use std::{cell::RefCell, io, rc::Rc, sync::Arc, time::Duration};

use matterhost_actors::{
    model::{AccountName, Event},
    ports::{Delivered, EventSink, Outcome},
};
use tokio::{sync::Notify, time::Instant};

use self::{request::HandlerClient, verdict::Verdict};
use super::{
    HandlerDeps,
    failing_events::{FailingEvents, Failure, NextAttempt},
    handler::{Pause, ThrottledWarning},
    hook_events::is_hook,
    message::{Course, Message},
    monitor::CommandReceiver,
    queue::{Job, JobReceiver, Queue},
    shared_slots::SharedSlots,
    typing::Typing,
    worker::{self, CloseSignal, Worker},
};
use crate::{
    config::{PauseScope, WebhookConfig},
    telemetry::time::human,
};

/// Short, so that request slots are not idle while events wait.
const FULL_RETRY: Duration = Duration::from_millis(100);

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
    pause_scope: PauseScope,
    batch: usize,
    waiting: RefCell<SharedSlots<Job<Message>>>,
    /// Notified when a slot becomes free.
    slot_free: Notify,
    commands: RefCell<CommandReceiver>,
    failing: RefCell<FailingEvents>,
    unavailable: ThrottledWarning,
    unusable_answer: ThrottledWarning,
}

/// A slot for one request, returned when dropped.
struct Slot {
    sender: Rc<Sender>,
    account: AccountName,
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

    /// Ends a pause that the handler asked for.
    pub(super) fn end_pause(&self) {
        self.pause.end();
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
            return Delivered::Now(paused(left));
        }
        if self.queue.is_full() && !is_hook(&event.body.event) {
            return Delivered::Now(queue_full());
        }
        self.submit(Message::from_event(event))
    }
}

fn settle_paused(jobs: Vec<Job<Message>>, left: Duration) {
    for job in jobs {
        job.settle(paused(left));
    }
}

fn paused(left: Duration) -> Outcome {
    Outcome::Retry { after: left, cause: "the handler asked for a pause (Retry-After)".into() }
}

fn queue_full() -> Outcome {
    Outcome::Retry { after: FULL_RETRY, cause: "the sink's queue is full".into() }
}

impl Sender {
    fn new(config: WebhookConfig, handler_deps: HandlerDeps, pause: Arc<Pause>) -> Self {
        Self {
            batch: config.batch,
            pause_scope: config.retry_after,
            waiting: RefCell::new(SharedSlots::new(config.concurrency)),
            slot_free: Notify::new(),
            commands: RefCell::new(handler_deps.monitor.commands()),
            failing: RefCell::new(FailingEvents::new(config.attempts)),
            unavailable: ThrottledWarning::new(
                &handler_deps.sink,
                "the handler does not accept events; trying again",
            ),
            unusable_answer: ThrottledWarning::new(
                &handler_deps.sink,
                "an answer cannot be used; no action is taken",
            ),
            handler: HandlerClient::new(&handler_deps.sink, config, handler_deps.reply_tokens.clone()),
            handler_deps,
            pause,
        }
    }

    /// Sends events until the sink closes. Requests in flight are then dropped, and their events delivered again.
    async fn run(self: Rc<Self>, mut jobs: JobReceiver<Message>, mut closing: CloseSignal) {
        loop {
            self.send_waiting();
            tokio::select! {
                () = worker::wait_for_close(&mut closing) => return,
                () = self.slot_free.notified() => {}
                job = jobs.recv() => match job {
                    Some(job) => self.accept(job),
                    None => return,
                },
            }
            while let Ok(job) = jobs.try_recv() {
                self.accept(job);
            }
        }
    }

    /// Sends an event for which a person waits, past those that wait for a slot: it has a place of its own. It is tried once, and
    /// its failure says nothing about other events.
    async fn send_hook(self: Rc<Self>, job: Job<Message>) {
        let Some(job) = self.handler_deps.unless_fenced(job) else { return };
        match self.handler.deliver(&[&job.item]).await {
            Verdict::RetryLater { cause, .. } => job.settle(Outcome::Retry { after: FULL_RETRY, cause }),
            Verdict::Refused { cause } => job.settle(Outcome::Rejected { cause }),
            accepted @ Verdict::Accepted(_) => self.settle(vec![job], accepted).await,
        }
    }

    /// Queues a job, unless its channel is held. An operator may have ended all holds.
    fn accept(self: &Rc<Self>, job: Job<Message>) {
        if job.item.course == Course::Urgent {
            tokio::task::spawn_local(Rc::clone(self).send_hook(job));
            return;
        }
        if self.commands.borrow_mut().take_retry() {
            self.failing.borrow_mut().end_holds();
        }
        let held = self.failing.borrow().held_for(&job.item, Instant::now());
        match held {
            Some(after) => {
                let cause = "the handler asked for a pause of the channel (Retry-After)".into();
                job.settle(Outcome::Hold { after, cause });
            }
            None => self.waiting.borrow_mut().push(&job.item.account.clone(), job),
        }
    }

    /// Sends batches while there are slots and events. During a pause of the whole sink the events are returned instead.
    fn send_waiting(self: &Rc<Self>) {
        self.handler_deps.forget_accounts(&self.waiting, &self.failing);
        loop {
            if let Some(left) = self.pause.remaining() {
                let waiting = self.waiting.borrow_mut().take_waiting();
                return settle_paused(waiting, left);
            }
            let Some(first) = self.waiting.borrow_mut().take() else { return };
            let slot = Slot { sender: Rc::clone(self), account: first.item.account.clone() };
            self.handler_deps.monitor.take_slot(&slot.account);
            let more = std::iter::from_fn(|| self.take_along(&first.item)).take(self.batch - 1);
            let more: Vec<_> = more.collect();
            let batch: Vec<_> = std::iter::once(first).chain(more).filter_map(unless_abandoned).collect();
            if !batch.is_empty() {
                tokio::task::spawn_local(Rc::clone(self).send_batch(batch, slot));
            }
        }
    }

    /// Takes another event for the batch that begins with `first`. An event that has failed goes alone, because the
    /// failure of a batch does not say on which of its events the handler failed.
    fn take_along(&self, first: &Message) -> Option<Job<Message>> {
        let failing = self.failing.borrow();
        if failing.has_failed(first) {
            return None;
        }
        self.waiting.borrow_mut().take_along_if(|next| !failing.has_failed(&next.item))
    }

    /// Returns the events that may be sent now: none while the whole sink pauses, and none whose account another host may own.
    fn sendable(&self, jobs: Vec<Job<Message>>) -> Vec<Job<Message>> {
        if let Some(left) = self.pause.remaining() {
            settle_paused(jobs, left);
            return Vec::new();
        }
        jobs.into_iter().filter_map(|job| self.handler_deps.unless_fenced(job)).collect()
    }

    async fn send_batch(self: Rc<Self>, batch: Vec<Job<Message>>, slot: Slot) {
        // Another request may have been answered, or a lease may have ended, since the batch was made.
        let batch = self.sendable(batch);
        if batch.is_empty() {
            return;
        }
        let events: Vec<_> = batch.iter().map(|job| &job.item).collect();
        let typing: Vec<_> = events.iter().map(|event| Typing::show(&self.handler_deps, event)).collect();
        let verdict = self.handler.deliver(&events).await;
        drop(typing);
        match verdict {
            // The status does not say which event of the batch was refused, so each is sent alone.
            Verdict::Refused { .. } if batch.len() > 1 => {
                for job in batch {
                    for job in self.sendable(vec![job]) {
                        let verdict = self.handler.deliver(&[&job.item]).await;
                        self.settle(vec![job], verdict).await;
                    }
                }
            }
            verdict => {
                // Replies may wait for long, for instance for their server.
                drop(slot);
                self.settle(batch, verdict).await;
            }
        }
    }

    async fn settle(&self, batch: Vec<Job<Message>>, verdict: Verdict) {
        match verdict {
            Verdict::Accepted(answer) => {
                self.record_answers(&batch);
                self.take_actions(&batch, answer).await;
                for job in batch {
                    job.settle(Outcome::Acknowledged);
                }
            }
            Verdict::RetryLater { failure, cause, pause } => {
                let failure = if batch.len() > 1 { Failure::Handler } else { failure };
                for job in batch {
                    self.retry(job, failure, &cause, pause);
                }
            }
            Verdict::Refused { cause } => {
                self.record_answers(&batch);
                for job in batch {
                    self.reject(job, &cause);
                }
            }
        }
    }

    /// Returns an event to be delivered again, or gives it up.
    fn retry(&self, job: Job<Message>, failure: Failure, cause: &str, pause: Option<Duration>) {
        if job.is_disowned() {
            return;
        }
        let now = Instant::now();
        let next = self.failing.borrow_mut().record_failure(&job.item, failure, now);
        let after = match next {
            NextAttempt::GiveUp(limit) => return self.reject(job, &format!("{cause}; {limit}")),
            NextAttempt::After(after) => after.max(pause.unwrap_or_default()),
        };
        if let Some(pause) = pause {
            match self.pause_scope {
                PauseScope::Channel => self.failing.borrow_mut().hold(&job.item, pause, now),
                PauseScope::Sink => {
                    self.pause.begin(pause);
                    self.handler_deps.monitor.pauses(pause);
                }
            }
        }
        let said = describe_retry(&job.item, cause, after, pause.map(|_| self.pause_scope));
        self.unavailable.report_event_failure(&job.item, &said);
        let outcome = self.failing.borrow().retry_outcome(&job.item, after, cause.to_owned());
        job.settle(outcome);
    }

    /// Makes an event a dead letter.
    fn reject(&self, job: Job<Message>, cause: &str) {
        self.handler_deps.reject_job(job, cause, &self.failing);
    }

    /// Records that events were answered for good.
    fn record_answers(&self, batch: &[Job<Message>]) {
        self.unavailable.report_success();
        let mut failing = self.failing.borrow_mut();
        for job in batch {
            failing.record_answer(&job.item);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.sender.waiting.borrow_mut().release(&self.account);
        self.sender.handler_deps.monitor.free_slot(&self.account);
        self.sender.slot_free.notify_one();
    }
}

/// Returns the failure with the event and the time of the next attempt.
fn describe_retry(event: &Message, cause: &str, after: Duration, paused: Option<PauseScope>) -> String {
    let (id, channel, after) = (&event.id, event.channel.as_str(), human(after));
    let next = match paused {
        None => format!("next attempt in {after}"),
        Some(PauseScope::Channel) => format!("the channel waits for {after} (Retry-After)"),
        Some(PauseScope::Sink) => format!("the sink waits for {after} (Retry-After)"),
    };
    format!("{cause} (event {id} in channel {channel}; {next})")
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
