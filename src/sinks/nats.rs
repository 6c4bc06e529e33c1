//! The sink that publishes events to a stream of NATS, for handlers in any language.
//!
//! One thread publishes, with a limited number of unanswered events, which accounts share. An event is acknowledged once
//! the stream has stored it. Each has an id by which the stream drops what it has already, so that an event that is
//! published again after a lost answer is stored once. Without the server events wait; an event that the stream can never
//! take becomes a dead letter.

#[cfg(feature = "cluster")]
mod event_message;
#[cfg(feature = "cluster")]
mod event_stream;
#[cfg(feature = "cluster")]
mod publisher;
#[cfg(feature = "cluster")]
mod server_connection;

#[cfg(test)]
#[cfg(feature = "cluster")]
pub(super) mod tests;

use std::{io, sync::Arc, time::Duration};

use matterhost_actors::{
    model::Event,
    ports::{Delivered, EventSink, Outcome},
};

use super::{
    HandlerDeps,
    message::Message,
    queue::{JobReceiver, Queue},
    worker::{CloseSignal, Worker},
};
use crate::{config::NatsConfig, nats::NatsError};

/// Short, so that a full queue is refilled before it is empty.
const FULL_RETRY: Duration = Duration::from_millis(100);

/// The accounts' handle of the sink. Clones share one thread.
#[derive(Clone)]
pub(super) struct Nats {
    queue: Queue<Message>,
    pub(super) worker: Worker,
}

impl Nats {
    /// Starts the thread, which connects.
    pub(super) fn start(config: NatsConfig, handler_deps: HandlerDeps) -> io::Result<Self> {
        let (queue, jobs) = Queue::new();
        let name = Arc::clone(&handler_deps.sink);
        let work = move |closing| publish(config, handler_deps, jobs, closing);
        let worker = Worker::start(&name, work)?;
        Ok(Self { queue, worker })
    }

    /// Waits until all delivered events are answered.
    pub(super) async fn wait_until_idle(&self) {
        self.queue.wait_until_idle().await;
    }

    /// Queues a message for publishing.
    pub(super) fn submit(&self, message: Message) -> Delivered {
        self.worker.submit(&self.queue, message, queue_full())
    }
}

impl EventSink for Nats {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if self.queue.is_full() {
            return Delivered::Now(queue_full());
        }
        self.submit(Message::from_event(event))
    }
}

fn queue_full() -> Outcome {
    Outcome::Retry { after: FULL_RETRY, cause: "the sink's queue is full".into() }
}

#[cfg(feature = "cluster")]
async fn publish(
    config: NatsConfig,
    handler_deps: HandlerDeps,
    jobs: JobReceiver<Message>,
    closing: CloseSignal,
) {
    publisher::run(config, handler_deps, jobs, closing).await;
}

/// Waits for the end: the configuration refuses the sink in such a program.
#[cfg(not(feature = "cluster"))]
async fn publish(_: NatsConfig, _: HandlerDeps, _jobs: JobReceiver<Message>, mut closing: CloseSignal) {
    super::worker::wait_for_close(&mut closing).await;
}

/// Connects and checks the stream, without creating it.
///
/// # Errors
/// Fails if no server answers or accepts the credentials, or if the stream has settings that do not fit.
#[cfg(feature = "cluster")]
pub(crate) async fn probe(config: &NatsConfig) -> Result<(), NatsError> {
    let client = crate::nats::connect(&config.access, "matterhost check", None).await?;
    event_stream::check(&event_stream::context(config, client), config).await
}

/// Fails, because the program has no client.
#[cfg(not(feature = "cluster"))]
pub(crate) async fn probe(_: &NatsConfig) -> Result<(), NatsError> {
    let what = "this program was built without NATS".into();
    Err(NatsError { what, remedy: "build with --features cluster".into() })
}
