//! Tries dead letters again.

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

/// A handler that has taken nothing for so long is down: the rest waits for another time.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// However long a handler wants to be left alone, somebody waits for the end of this.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What became of a sink's dead letters.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RetrySummary {
    /// The handler has them now.
    pub accepted: usize,
    /// It refused them again; they are kept.
    pub refused: usize,
    /// They were not tried to the end; they are kept.
    pub remaining: usize,
    /// Why some were not.
    pub cause: Option<String>,
}

/// A sink that takes a message.
enum Carrier {
    Webhook(Webhook),
    Exec(Exec),
}

/// Hands the dead letters of a sink to its handler once more, in order.
///
/// # Errors
/// When they cannot be read or written, or the sink cannot be started: then they are all still there.
pub async fn retry_dead_letters(sink: &SinkConfig, config: &Config) -> io::Result<RetrySummary> {
    let letters = DeadLetters::for_sink(&sink.name, &config.dead_letter);
    let taken = letters.take()?;
    if taken.is_empty() {
        letters.finish_retry(&[])?;
        return Ok(RetrySummary::default());
    }
    let Some(carrier) = Carrier::start(sink, config.host.restart)? else {
        return Ok(RetrySummary::default());
    };
    let (summary, kept) = carrier.carry_all(taken).await;
    worker::close_all(std::slice::from_ref(carrier.worker())).await;
    letters.finish_retry(&kept)?;
    Ok(summary)
}

impl Carrier {
    /// `None` for a sink that refuses nothing.
    fn start(sink: &SinkConfig, restart: RestartPolicy) -> io::Result<Option<Self>> {
        let poster: Arc<dyn Poster> = Arc::new(DiscardingReplyPoster::new(Arc::clone(&sink.name)));
        // What is refused again is kept once all are tried.
        let handler_deps = HandlerDeps { sink: Arc::clone(&sink.name), poster, dead_letters: None };
        Ok(match &sink.kind {
            SinkKind::Webhook(config) => {
                Some(Self::Webhook(Webhook::start((**config).clone(), handler_deps)?))
            }
            SinkKind::Exec(config) => Some(Self::Exec(Exec::start(config.clone(), restart, handler_deps)?)),
            SinkKind::Stdout | SinkKind::File(_) => None,
        })
    }

    async fn carry_all(&self, letters: Vec<DeadLetter>) -> (RetrySummary, Vec<DeadLetter>) {
        let (mut summary, mut kept) = (RetrySummary::default(), Vec::new());
        for mut letter in letters {
            if summary.cause.is_some() {
                summary.remaining += 1;
                kept.push(letter);
                continue;
            }
            match self.carry(letter.event.get()).await {
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

    async fn carry(&self, json: &str) -> Result<(), RetryError> {
        let message = Message::parse(json).ok_or(RetryError::Permanent("the event cannot be read".into()))?;
        let end = Instant::now() + GIVE_UP_AFTER;
        loop {
            match self.deliver(message.clone()).await {
                Outcome::Acknowledged => return Ok(()),
                Outcome::Rejected { cause } => return Err(RetryError::Permanent(cause)),
                Outcome::Retry { cause, .. } | Outcome::Broken { cause } if Instant::now() >= end => {
                    return Err(RetryError::Transient(cause));
                }
                Outcome::Retry { after, .. } => sleep(after.min(LONGEST_WAIT)).await,
                Outcome::Broken { .. } => sleep(LONGEST_WAIT).await,
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
