//! The keys by which a post is made once.

use std::sync::Arc;

use crate::model::{Change, Event};

/// The maximum length of a key, in bytes. The key is sent with the post; an event's id with a number and a sink's
/// name fits.
pub(super) const MAX_KEY_BYTES: usize = 256;

/// An idempotency key for a reply: requests with the same key post once, no matter by whom or when they are
/// repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyKey {
    text: Arc<str>,
    since: Option<i64>,
    answers: bool,
}

/// A text that is not a valid key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a key has 1 to {MAX_KEY_BYTES} bytes and no white space, such as an event's id; this one has {bytes} bytes"
)]
pub struct ReplyKeyError {
    bytes: usize,
}

impl ReplyKey {
    /// Creates a key from text. An earlier post with it is searched for among the newest posts of the channel.
    ///
    /// # Errors
    /// If it is empty, too long, or contains white space or control characters.
    pub fn new(text: &str) -> Result<Self, ReplyKeyError> {
        let visible = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        let is_key = visible && (1..=MAX_KEY_BYTES).contains(&text.len());
        if is_key {
            Ok(Self { text: text.into(), since: None, answers: false })
        } else {
            Err(ReplyKeyError { bytes: text.len() })
        }
    }

    /// Creates the key of the `n`th answer to an event; it is the same if the event is delivered again. The loop
    /// guard counts the post as an answer.
    pub fn for_event(event: &Event, n: usize) -> Self {
        Self::of_event(event, &format!("{}#{n}", event.id()))
    }

    /// Creates the key of the `n`th answer by one of several bots of the account, which [`for_event`](Self::for_event) does not
    /// tell apart.
    pub(crate) fn for_bot(event: &Event, bot: &str, n: usize) -> Self {
        Self::of_event(event, &format!("{}#{bot}#{n}", event.id()))
    }

    /// Creates the key of an answer that a bot gave the key `own`: it belongs to the event, and to the bot if that is one of
    /// several of the account.
    ///
    /// # Errors
    /// If the key is not valid, or too long together with the event's id.
    pub(crate) fn own_for_event(event: &Event, bot: Option<&str>, own: &str) -> Result<Self, ReplyKeyError> {
        // It must be a key by itself, and not only together with the event.
        Self::new(own)?;
        let key = Self::new(&format!("{}#{}/{own}", event.id(), bot.unwrap_or_default()))?;
        Ok(Self::of_event(event, key.as_str()))
    }

    fn of_event(event: &Event, text: &str) -> Self {
        let since = match &event.body.change {
            Some(Change::Posted(post)) => Some(post.create_at),
            Some(Change::Edited { edit_at, .. }) => Some(*edit_at),
            Some(Change::Deleted { .. } | Change::Left) => None,
            None => event.body.reaction().map(|reaction| reaction.create_at).filter(|at| *at > 0),
        };
        Self { text: text.into(), since, answers: true }
    }

    /// Marks the post as an answer to an event, which the loop guard counts and may refuse.
    #[must_use]
    pub fn into_answer(self) -> Self {
        Self { answers: true, ..self }
    }

    /// Marks the post as made without an event to answer: the loop guard never refuses it.
    #[must_use]
    pub(crate) fn into_announcement(self) -> Self {
        Self { answers: false, ..self }
    }

    /// Declares that no post with this key is older than the given time, in server milliseconds.
    #[must_use]
    pub fn with_earliest(self, server_ms: i64) -> Self {
        Self { since: Some(server_ms), ..self }
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the time before which no post has this key, in server milliseconds.
    pub fn earliest(&self) -> Option<i64> {
        self.since
    }

    /// True for an answer to an event, which the loop guard may refuse.
    pub fn is_answer(&self) -> bool {
        self.answers
    }
}
