//! Retries dead letters.

use std::{io, sync::Arc, time::Duration};

use matterhost_actors::{
    policy::RestartPolicy,
    ports::{Delivered, Outcome, Poster},
};
use tokio::time::{Instant, sleep};

use super::{DeadLetter, DeadLetters};
use crate::config::{Config, SinkConfig, SinkKind};
use crate::sinks::{
    HandlerDeps,
    exec::Exec,
    message::Message,
    reply::DiscardingReplyPoster,
    webhook::Webhook,
    worker::{self, Worker},
};

/// A handler that accepts no event for this long is considered down; the remaining letters are kept.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// The longest wait between two attempts, whatever the handler asks for: a person waits for the result.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(10);

/// The result of retrying a sink's dead letters.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RetrySummary {
    /// Letters that the handler accepted.
    pub accepted: usize,
    /// Letters that the handler refused again; they are kept.
    pub refused: usize,
    /// Letters without a final answer; they are kept.
    pub remaining: usize,
    /// The reason why some remain.
    pub cause: Option<String>,
}

/// A sink with a handler to retry letters with.
enum RetryTarget {
    Webhook(Webhook),
    Exec(Exec),
}

/// Delivers the dead letters of a sink to its handler again, in order.
///
/// # Errors
/// If the letters cannot be read or written, or the sink cannot be started; then all of them are still there.
pub async fn retry_dead_letters(sink: &SinkConfig, config: &Config) -> io::Result<RetrySummary> {
    let letters = DeadLetters::for_sink(&sink.name, &config.dead_letter);
    let taken = letters.take()?;
    if taken.is_empty() {
        letters.finish_retry(&[])?;
        return Ok(RetrySummary::default());
    }
    let Some(target) = RetryTarget::start(sink, config.host.restart)? else {
        return Ok(RetrySummary::default());
    };
    let (summary, kept) = target.retry_all(taken).await;
    worker::close_all(std::slice::from_ref(target.worker())).await;
    letters.finish_retry(&kept)?;
    Ok(summary)
}

impl RetryTarget {
    /// Starts the sink; `None` for a type without a handler.
    fn start(sink: &SinkConfig, restart: RestartPolicy) -> io::Result<Option<Self>> {
        let poster: Arc<dyn Poster> = Arc::new(DiscardingReplyPoster::new(Arc::clone(&sink.name)));
        // Letters that are refused again are written back once all have been retried.
        let handler_deps = HandlerDeps { sink: Arc::clone(&sink.name), poster, dead_letters: None };
        Ok(match &sink.kind {
            SinkKind::Webhook(config) => {
                Some(Self::Webhook(Webhook::start((**config).clone(), handler_deps)?))
            }
            SinkKind::Exec(config) => Some(Self::Exec(Exec::start(config.clone(), restart, handler_deps)?)),
            SinkKind::Stdout | SinkKind::File(_) => None,
        })
    }

    async fn retry_all(&self, letters: Vec<DeadLetter>) -> (RetrySummary, Vec<DeadLetter>) {
        let (mut summary, mut kept) = (RetrySummary::default(), Vec::new());
        for mut letter in letters {
            if summary.cause.is_some() {
                summary.remaining += 1;
                kept.push(letter);
                continue;
            }
            match self.retry(letter.event.get()).await {
                Ok(()) => summary.accepted += 1,
                Err(RetryError::Permanent(cause)) => {
                    summary.refused += 1;
                    letter.cause = cause.into();
                    kept.push(letter);
                }
                Err(RetryError::Transient(cause)) => {
                    summary.remaining += 1;
                    summary.cause = Some(cause);
                    kept.push(letter);
                }
            }
        }
        (summary, kept)
    }

    async fn retry(&self, json: &str) -> Result<(), RetryError> {
        let message = Message::parse(json).ok_or(RetryError::Permanent("the event cannot be read".into()))?;
        let deadline = Instant::now() + GIVE_UP_AFTER;
        loop {
            match self.deliver(message.clone()).await {
                Outcome::Acknowledged => return Ok(()),
                Outcome::Rejected { cause } => return Err(RetryError::Permanent(cause)),
                Outcome::Retry { cause, .. } | Outcome::Broken { cause } if Instant::now() >= deadline => {
                    return Err(RetryError::Transient(cause));
                }
                Outcome::Retry { after, .. } => sleep(after.min(MAX_RETRY_DELAY)).await,
                Outcome::Broken { .. } => sleep(MAX_RETRY_DELAY).await,
            }
        }
    }

    async fn deliver(&self, message: Message) -> Outcome {
        let delivered = match self {
            Self::Webhook(webhook) => webhook.submit(message),
            Self::Exec(exec) => exec.submit(message),
        };
        match delivered {
            Delivered::Now(outcome) => outcome,
            Delivered::Later(outcome) => outcome.await,
        }
    }

    fn worker(&self) -> &Worker {
        match self {
            Self::Webhook(webhook) => &webhook.worker,
            Self::Exec(exec) => &exec.worker,
        }
    }
}

enum RetryError {
    Permanent(String),
    Transient(String),
}
