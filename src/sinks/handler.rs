//! Parts shared by the sinks with a handler (webhook and exec); other sinks use the throttled warning too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use matterhost_actors::{
    model::{AccountName, Excerpt},
    ports::{Outcome, Poster},
};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{dead_letter::DeadLetters, message::Message, monitor::SinkMonitor, reply::Reply};

/// A full disk is rarely freed sooner.
const DEAD_LETTER_RETRY: Duration = Duration::from_secs(5);

/// The dependencies of a sink with a handler, besides its own configuration.
#[derive(Clone)]
pub(super) struct HandlerDeps {
    /// The sink's name.
    pub(super) sink: Arc<str>,
    /// Posts replies as the account that received the event.
    pub(super) poster: Arc<dyn Poster>,
    /// The file for rejected events; `None` while dead letters themselves are retried.
    pub(super) dead_letters: Option<DeadLetters>,
    /// The record of what happens to the sink.
    pub(super) monitor: SinkMonitor,
}

impl HandlerDeps {
    /// Posts a reply, in order within its channel. The future ends in bounded time, once the reply is posted or has failed
    /// and been logged; only then may the event be acknowledged.
    pub(super) fn post(&self, reply: Reply) -> BoxFuture<'static, ()> {
        let (account, event, sink) = (reply.account.clone(), reply.event_id.clone(), Arc::clone(&self.sink));
        let channel = reply.channel.clone();
        let posting = reply.into_action().map(|action| self.poster.post(&account, action));
        async move {
            let error = match posting {
                Ok(posting) => posting.await.err().map(|error| error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(error) = error {
                let (account, channel) = (account.as_str(), channel.as_str());
                tracing::warn!(account, channel, %sink, %event, error, "cannot post a reply; it is dropped");
            }
        }
        .boxed()
    }

    /// Keeps an event that a handler refused permanently as a dead letter, and returns the event's outcome. If it
    /// cannot be kept, the event is retried.
    pub(super) fn reject(&self, event: &Message, cause: &str) -> Outcome {
        let Some(letters) = &self.dead_letters else { return Outcome::Rejected { cause: cause.to_owned() } };
        let sink = &*self.sink;
        match letters.add(event, cause) {
            Ok(()) => {
                letters.warning().report_success();
                let cause = Excerpt::of(&format_args!("sink {sink}: {cause}"));
                Outcome::Rejected { cause: cause.into() }
            }
            Err(error) => {
                letters.warning().report_event_failure(event, &error.to_string());
                let cause = format!("the dead letter cannot be written: {error}");
                Outcome::Retry { after: DEAD_LETTER_RETRY, cause }
            }
        }
    }
}

/// A period without requests to a handler, shared between threads.
#[derive(Debug, Default)]
pub(super) struct Pause(Mutex<Option<Instant>>);

impl Pause {
    /// Pauses from now for that long. A pause that ends later stays in force.
    pub(super) fn begin(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut current = self.0.lock();
        *current = Some(current.map_or(until, |current| current.max(until)));
    }

    /// Ends the pause.
    pub(super) fn end(&self) {
        *self.0.lock() = None;
    }

    /// Returns the time left; `None` if there is no pause.
    pub(super) fn remaining(&self) -> Option<Duration> {
        let until = *self.0.lock();
        until?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

/// A warning about one kind of failure of one sink, and the line about its recovery. The log's budget leaves out all but
/// one a minute.
#[derive(Debug)]
pub(super) struct ThrottledWarning {
    sink: Arc<str>,
    /// The text logged before the cause.
    message: &'static str,
    /// True if the last report was of a failure.
    failing: AtomicBool,
}

impl ThrottledWarning {
    pub(super) fn new(sink: &Arc<str>, message: &'static str) -> Self {
        Self { sink: Arc::clone(sink), message, failing: AtomicBool::default() }
    }

    /// Logs the failure.
    pub(super) fn report_failure(&self, account: Option<&AccountName>, cause: &str) {
        let account = account.map(AccountName::as_str);
        self.failing.store(true, Relaxed);
        tracing::warn!(sink = &*self.sink, account, kind = self.message, "{}: {cause}", self.message);
    }

    /// Logs a failure on an event.
    pub(super) fn report_event_failure(&self, event: &Message, cause: &str) {
        let place = (event.account.as_str(), event.channel.as_str(), &*event.id);
        self.report_failure_at(place, cause);
    }

    /// Logs a failure on the event with that account, channel and id.
    pub(super) fn report_failure_at(&self, (account, channel, event): (&str, &str, &str), cause: &str) {
        self.failing.store(true, Relaxed);
        let (sink, kind) = (&*self.sink, self.message);
        tracing::warn!(sink, account, channel, event, kind, "{}: {cause}", self.message);
    }

    /// Logs the recovery if a failure was reported before.
    pub(super) fn report_success(&self) {
        if self.failing.swap(false, Relaxed) {
            tracing::info!(sink = &*self.sink, kind = self.message, "the sink works again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_pause_counts_and_ends() {
        let pause = Pause::default();
        assert_eq!(pause.remaining(), None);
        pause.begin(Duration::from_secs(10));
        pause.begin(Duration::from_secs(5));
        assert_eq!(pause.remaining(), Some(Duration::from_secs(10)));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(pause.remaining(), None);
    }
}
