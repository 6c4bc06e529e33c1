//! Publishing: events go out in parallel, and each is answered once it is stored.

use std::{cell::RefCell, error::Error as _, rc::Rc, time::Duration};

use async_nats::jetstream::{
    self, Context, ErrorCode,
    context::{PublishError, PublishErrorKind},
    message::PublishMessage,
};
use bytes::Bytes;
use matterhost_actors::{
    model::{AccountName, Excerpt},
    ports::Outcome,
};
use tokio::{sync::Notify, time::Instant};

use super::{
    event_message::EventMessage,
    server_connection::{ConnectionState, ServerConnection},
};
use crate::{
    config::NatsConfig,
    nats::NatsError,
    sinks::{
        HandlerDeps,
        failing_events::{FailingEvents, Failure, NextAttempt},
        handler::ThrottledWarning,
        message::Message,
        queue::{Job, JobReceiver},
        shared_slots::SharedSlots,
        worker::{self, CloseSignal},
    },
    telemetry::time::human,
};

/// The wait of an event without a connection: it costs no request.
const UNCONNECTED_RETRY: Duration = Duration::from_millis(500);

/// Publishes events until the sink closes. Events in flight are then delivered again.
pub(super) async fn run(
    config: NatsConfig,
    handler_deps: HandlerDeps,
    jobs: JobReceiver<Message>,
    closing: CloseSignal,
) {
    let publisher = Rc::new(Publisher::new(config, handler_deps));
    let keeping = Rc::clone(&publisher);
    let keeping = async move { keeping.connection.keep(|error| keeping.connection_changed(error)).await };
    let keeping = tokio::task::spawn_local(keeping);
    publisher.run(jobs, closing).await;
    keeping.abort();
}

/// The task on the sink's thread.
struct Publisher {
    config: NatsConfig,
    handler_deps: HandlerDeps,
    connection: ServerConnection,
    waiting: RefCell<SharedSlots<Job<Message>>>,
    /// Notified when a slot becomes free or the connection changes.
    changed: Notify,
    failing: RefCell<FailingEvents>,
    unavailable: ThrottledWarning,
}

/// A slot for one event in flight, returned when dropped.
struct Slot {
    publisher: Rc<Publisher>,
    account: AccountName,
}

/// The reason why an event is not in the stream.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// The stream can never take it.
    Event(String),
    /// The stream takes nothing, as far as is known.
    Stream(String),
    /// The stream has no room, or cannot be reached.
    NoRoom(String),
    /// The connection was lost before the answer.
    Lost,
}

impl Publisher {
    fn new(config: NatsConfig, handler_deps: HandlerDeps) -> Self {
        let message = "NATS does not accept events; trying again";
        Self {
            connection: ServerConnection::new(config.clone(), &handler_deps.sink),
            waiting: RefCell::new(SharedSlots::new(config.in_flight)),
            changed: Notify::new(),
            failing: RefCell::new(FailingEvents::new(config.attempts)),
            unavailable: ThrottledWarning::new(&handler_deps.sink, message),
            config,
            handler_deps,
        }
    }

    async fn run(self: Rc<Self>, mut jobs: JobReceiver<Message>, mut closing: CloseSignal) {
        loop {
            self.publish_waiting();
            tokio::select! {
                () = worker::wait_for_close(&mut closing) => return,
                () = self.changed.notified() => {}
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

    fn accept(&self, job: Job<Message>) {
        self.waiting.borrow_mut().push(&job.item.account.clone(), job);
    }

    fn connection_changed(&self, error: Option<&NatsError>) {
        if let Some(error) = error {
            self.unavailable.report_failure(None, &error.to_string());
        }
        self.changed.notify_one();
    }

    /// Publishes while there are slots and events. Without a connection the events are returned instead.
    fn publish_waiting(self: &Rc<Self>) {
        self.handler_deps.forget_accounts(&self.waiting, &self.failing);
        let context = match self.connection.state() {
            ConnectionState::Beginning => return,
            ConnectionState::Open(context) => context,
            ConnectionState::Failed(cause) => {
                let waiting = self.waiting.borrow_mut().take_waiting();
                return waiting.into_iter().for_each(|job| self.return_unconnected(job, &cause));
            }
        };
        loop {
            let next = self.waiting.borrow_mut().take();
            let Some(job) = next else { return };
            let slot = Slot { publisher: Rc::clone(self), account: job.item.account.clone() };
            self.handler_deps.monitor.take_slot(&slot.account);
            if job.is_abandoned() {
                job.settle(super::queue_full());
            } else if let Some(job) = self.handler_deps.unless_fenced(job) {
                tokio::task::spawn_local(Rc::clone(self).publish(job, slot, context.clone()));
            }
        }
    }

    /// Returns an event that was not sent, which is no attempt.
    fn return_unconnected(&self, job: Job<Message>, cause: &str) {
        self.unavailable.report_event_failure(&job.item, cause);
        job.settle(Outcome::Retry { after: UNCONNECTED_RETRY, cause: cause.into() });
    }

    async fn publish(self: Rc<Self>, job: Job<Message>, slot: Slot, context: Context) {
        let sent = self.send(&job.item, &context).await;
        drop(slot);
        match sent {
            Ok(()) => {
                self.record_answer(&job.item);
                job.settle(Outcome::Acknowledged);
            }
            Err(Refusal::Event(cause)) => {
                self.record_answer(&job.item);
                self.reject(job, &cause);
            }
            Err(Refusal::Stream(cause)) => self.retry(job, &cause, Failure::Handler),
            Err(Refusal::NoRoom(cause)) => self.retry(job, &cause, Failure::Place),
            Err(Refusal::Lost) => {
                self.return_unconnected(job, "the connection to NATS was lost before the answer");
            }
        }
    }

    async fn send(&self, event: &Message, context: &Context) -> Result<(), Refusal> {
        let mut losses = self.connection.losses();
        let EventMessage { subject, headers } =
            EventMessage::of(event, &self.config.subject, &self.config.stream);
        let payload = Bytes::copy_from_slice(event.json.as_bytes());
        let message = PublishMessage::build().payload(payload).headers(headers);
        let publish = async { context.send_publish(subject, message).await?.await };
        let published = tokio::select! {
            published = publish => published,
            // An error means that the sink ends.
            _ = losses.changed() => return Err(Refusal::Lost),
        };
        published.map(drop).map_err(|error| {
            if error.kind() == PublishErrorKind::StreamNotFound {
                self.connection.reopen();
            }
            refusal(&error, &self.config)
        })
    }

    fn record_answer(&self, event: &Message) {
        self.unavailable.report_success();
        self.failing.borrow_mut().record_answer(event);
    }

    /// Returns an event to be delivered again, or gives it up.
    fn retry(&self, job: Job<Message>, cause: &str, failure: Failure) {
        if job.is_disowned() {
            return;
        }
        let next = self.failing.borrow_mut().record_failure(&job.item, failure, Instant::now());
        let after = match next {
            NextAttempt::GiveUp(limit) => return self.reject(job, &format!("{cause}; {limit}")),
            NextAttempt::After(after) => after,
        };
        self.unavailable
            .report_event_failure(&job.item, &format!("{cause} (next attempt in {})", human(after)));
        let outcome = self.failing.borrow().retry_outcome(&job.item, after, cause.to_owned());
        job.settle(outcome);
    }

    /// Makes an event a dead letter.
    fn reject(&self, job: Job<Message>, cause: &str) {
        self.handler_deps.reject_job(job, cause, &self.failing);
    }
}

/// Returns the reason for an error, with the way to fix it.
fn refusal(error: &PublishError, config: &NatsConfig) -> Refusal {
    let stream = &config.stream;
    let said = Excerpt::of(error);
    match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => {
            return Refusal::Event(format!("{said}; raise max_payload of the NATS servers"));
        }
        PublishErrorKind::TimedOut => {
            let limit = human(config.timeout);
            let hint = "the user may lack the permission to publish, or the stream its quorum";
            return Refusal::NoRoom(format!("the stream {stream} did not answer within {limit}; {hint}"));
        }
        PublishErrorKind::StreamNotFound => {
            return Refusal::NoRoom(format!("no stream takes the events; opening {stream} again"));
        }
        PublishErrorKind::WrongLastMessageId
        | PublishErrorKind::WrongLastSequence
        | PublishErrorKind::BrokenPipe
        | PublishErrorKind::MaxAckPending
        | PublishErrorKind::Other => {}
    }
    let answer = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    match answer.map(jetstream::Error::error_code) {
        Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM) => {
            Refusal::Event(format!("{said}; raise the size with `nats stream edit {stream} --max-msg-size`"))
        }
        Some(ErrorCode::STREAM_STORE_FAILED | ErrorCode::INSUFFICIENT_RESOURCES) => Refusal::NoRoom(format!(
            "the stream {stream} cannot store it: {said}; if it is full, raise its limits with `nats stream edit {stream}`, or \
             purge it"
        )),
        _ => Refusal::Stream(format!("the stream {stream} refuses it: {said}")),
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.publisher.waiting.borrow_mut().release(&self.account);
        self.publisher.handler_deps.monitor.free_slot(&self.account);
        self.publisher.changed.notify_one();
    }
}
