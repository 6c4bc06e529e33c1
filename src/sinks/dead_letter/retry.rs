//! Retries dead letters by way of the running sink: with its slots, its limits and its replies.

use std::{io, time::Duration};

use matterhost_actors::{
    model::{Excerpt, Retryability},
    ports::{Delivered, Outcome},
};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};

use super::{DeadLetters, Selection, StoredLetter, UnpostedReply};
use crate::{
    actions::take,
    sinks::{SinkHandle, letter_target::LetterTarget, message::Message},
};

/// A handler that accepts no event for this long is considered down; the remaining letters are kept.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// The longest wait between two attempts, whatever the handler asks for: a person waits for the result.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(10);
/// The letters that are removed from the files together. A crash before that sends them again.
const REMOVED_AT_ONCE: usize = 32;

/// The result of retrying a sink's dead letters.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RetrySummary {
    /// Events that the handler accepted, and replies that were posted.
    pub accepted: usize,
    /// Letters that were refused again; they are kept, as the newest.
    pub refused: usize,
    /// Letters without a final answer; they are kept.
    pub remaining: usize,
    /// The reason why some remain.
    pub cause: Option<String>,
    /// The selected events without a dead letter, sorted.
    pub unknown: Vec<String>,
}

/// The reason why dead letters cannot be retried.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// They are being retried.
    #[error("the dead letters of sink {0} are being retried already")]
    Busy(String),
    /// The sink refuses no events.
    #[error("a {0} sink has no handler to send dead letters to")]
    NoHandler(&'static str),
    /// None of the selected events has a dead letter.
    #[error("{}", describe_unknown(.sink, .events))]
    NoLetter {
        /// The sink.
        sink: String,
        /// The events.
        events: Vec<String>,
    },
    /// A file cannot be read or written.
    #[error("the dead letters cannot be read or written: {0}")]
    Files(#[from] io::Error),
}

/// Describes selected events without a dead letter at a sink.
pub fn describe_unknown(sink: &str, events: &[String]) -> String {
    let events = Excerpt::of(&events.join(", "));
    format!("sink {sink} has no dead letter of event {events}; `matterhost dead-letter list` shows all")
}

impl SinkHandle {
    /// Delivers the selected dead letters to the handler again and posts the replies among them, in order. Those that are
    /// accepted are removed; one that is refused again becomes a new letter.
    ///
    /// # Errors
    /// If none of the named events has a dead letter, the files cannot be read or written, or a retry is running.
    pub async fn retry_letters(&self, selection: Selection) -> Result<RetrySummary, RetryError> {
        let target = self.target.as_ref().ok_or(RetryError::NoHandler(self.kind))?;
        let busy = |_| RetryError::Busy(self.name.to_string());
        let _retrying = self.monitor.begin_retry().map_err(busy)?;
        let letters = self.letters.clone();
        let selecting = run_blocking(move || {
            let selected = letters.select(&selection)?;
            let unknown = selection.unknown(&selected);
            Ok((selected, unknown))
        });
        let (selected, unknown) = selecting.await?;
        if selected.is_empty() && !unknown.is_empty() {
            return Err(RetryError::NoLetter { sink: self.name.to_string(), events: unknown });
        }
        let (mut summary, mut done) = (RetrySummary { unknown, ..RetrySummary::default() }, Vec::new());
        for letter in selected {
            if summary.cause.is_some() {
                summary.remaining += 1;
                continue;
            }
            let retried = match &letter.letter.reply {
                Some(reply) => self.post_again(letter.letter.event.get(), reply).await,
                None => retry(target, letter.letter.event.get()).await,
            };
            match retried {
                Ok(is_accepted) => {
                    summary.accepted += usize::from(is_accepted);
                    summary.refused += usize::from(!is_accepted);
                    done.push(letter);
                }
                Err(cause) => {
                    summary.remaining += 1;
                    summary.cause = Some(cause);
                }
            }
            if done.len() >= REMOVED_AT_ONCE {
                remove(&self.letters, std::mem::take(&mut done)).await?;
            }
        }
        remove(&self.letters, done).await?;
        Ok(summary)
    }

    /// Posts a reply. Returns false if it was refused again, or the cause if its outcome is not known. Its key makes sure
    /// that it is posted once, however often that is tried.
    async fn post_again(&self, event: &str, reply: &UnpostedReply) -> Result<bool, String> {
        let event = Message::parse(event).ok_or("the event of a letter cannot be read; drop it")?;
        let action = reply.clone().into_action(&event.answered(&self.name));
        let action = action.map_err(|error| error.to_string())?;
        let posting = take(&self.poster, &event.account, action);
        let error = match timeout(GIVE_UP_AFTER, posting).await {
            Ok(Ok(_)) => return Ok(true),
            Ok(Err(error)) => error,
            Err(_) => return Err("a reply waits for its account or server; it may still be posted".into()),
        };
        if error.retryability() == Retryability::Retryable {
            return Err(error.to_string());
        }
        let (letters, reply) = (self.letters.clone(), reply.clone());
        let kept = run_blocking(move || letters.add_reply(&event, reply, &error.to_string()));
        kept.await.map(|()| false).map_err(|error| error.to_string())
    }
}

/// Delivers one event. Returns false if the handler refused it again, or the cause if there is no final answer.
async fn retry(target: &LetterTarget, json: &str) -> Result<bool, String> {
    let message = Message::parse(json).ok_or("the event of a letter cannot be read; drop it")?;
    let deadline = Instant::now() + GIVE_UP_AFTER;
    loop {
        let outcome = match target.submit(message.clone()) {
            Delivered::Now(outcome) => outcome,
            Delivered::Later(outcome) => outcome.await,
        };
        let (after, cause) = match outcome {
            Outcome::Acknowledged => return Ok(true),
            Outcome::Rejected { .. } => return Ok(false),
            Outcome::Retry { after, cause } | Outcome::Hold { after, cause } => (after, cause),
            Outcome::Broken { cause } => (MAX_RETRY_DELAY, cause),
        };
        let after = after.min(MAX_RETRY_DELAY);
        if Instant::now() + after >= deadline {
            return Err(cause);
        }
        sleep(after).await;
    }
}

async fn remove(letters: &DeadLetters, done: Vec<StoredLetter>) -> io::Result<()> {
    let letters = letters.clone();
    run_blocking(move || letters.remove(&done)).await.map(drop)
}

async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
