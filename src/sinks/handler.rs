//! Parts shared by the sinks with a handler (webhook and exec); other sinks use the throttled warning too.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use matterhost_actors::{
    model::AccountName,
    ports::{Outcome, Poster},
};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{dead_letter::DeadLetters, message::Message, reply::Reply};

/// A full disk is rarely freed sooner.
const DEAD_LETTER_RETRY: Duration = Duration::from_secs(5);
/// A sink that fails for hours fails a thousand times a minute; one line a minute is enough.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// The dependencies of a sink with a handler, besides its own configuration.
#[derive(Clone)]
pub(super) struct HandlerDeps {
    /// The sink's name.
    pub(super) sink: Arc<str>,
    /// Posts replies as the account that received the event.
    pub(super) poster: Arc<dyn Poster>,
    /// The file for rejected events; `None` while dead letters themselves are retried.
    pub(super) dead_letters: Option<DeadLetters>,
}

impl HandlerDeps {
    /// Posts a reply, in order within its channel. The future ends in bounded time, once the reply is posted or has failed
    /// and been logged; only then may the event be acknowledged.
    pub(super) fn post(&self, reply: Reply) -> BoxFuture<'static, ()> {
        let (account, event, sink) = (reply.account.clone(), reply.event_id.clone(), Arc::clone(&self.sink));
        let posting = reply.into_action().map(|action| self.poster.post(&account, action));
        async move {
            let error = match posting {
                Ok(posting) => posting.await.err().map(|error| error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(error) = error {
                let account = account.as_str();
                tracing::warn!(account, %sink, %event, error, "cannot post a reply; it is dropped");
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
                Outcome::Rejected { cause: format!("sink {sink}: {cause} (event {})", event.id) }
            }
            Err(error) => {
                letters.warning().report_failure(Some(&event.account), &error.to_string());
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

    /// Returns the time left; `None` if there is no pause.
    pub(super) fn remaining(&self) -> Option<Duration> {
        let until = *self.0.lock();
        until?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

/// A warning about one kind of failure of one sink. The first failure is logged at once, later ones at most once a
/// minute, and recovery once.
#[derive(Debug)]
pub(super) struct ThrottledWarning {
    sink: Arc<str>,
    /// The text logged before the cause.
    message: &'static str,
    state: Mutex<ReportState>,
}

#[derive(Debug, Default)]
struct ReportState {
    last: Option<Instant>,
    /// Failures since the last report.
    suppressed: u64,
    /// True if the last report was of a failure.
    failing: bool,
}

impl ThrottledWarning {
    pub(super) fn new(sink: &Arc<str>, message: &'static str) -> Self {
        Self { sink: Arc::clone(sink), message, state: Mutex::default() }
    }

    /// Logs the failure, unless one was logged within the last minute.
    pub(super) fn report_failure(&self, account: Option<&AccountName>, cause: &str) {
        let report = self.state.lock().record_failure(Instant::now());
        if let Some(suppressed) = report {
            let account = account.map(AccountName::as_str);
            tracing::warn!(sink = &*self.sink, account, suppressed, "{}: {cause}", self.message);
        }
    }

    /// Logs the recovery if a failure was logged before.
    pub(super) fn report_success(&self) {
        if std::mem::take(&mut self.state.lock().failing) {
            tracing::info!(sink = &*self.sink, "the sink works again");
        }
    }
}

impl ReportState {
    /// Records a failure. Returns the number of suppressed ones if this one should be logged.
    fn record_failure(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < REPORT_INTERVAL) {
            self.suppressed += 1;
            return None;
        }
        (self.last, self.failing) = (Some(now), true);
        Some(std::mem::take(&mut self.suppressed))
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

    #[test]
    fn a_failure_is_reported_at_once_and_then_once_a_minute() {
        let (mut state, start) = (ReportState::default(), Instant::now());
        assert_eq!(state.record_failure(start), Some(0));
        assert!(std::mem::take(&mut state.failing));
        for second in 1..60 {
            assert_eq!(state.record_failure(start + Duration::from_secs(second)), None);
        }
        assert!(!state.failing, "recovery was reported, and no failure since");
        assert_eq!(state.record_failure(start + REPORT_INTERVAL), Some(59));
        assert_eq!(state.record_failure(start + 2 * REPORT_INTERVAL), Some(0));
    }
}
