//! The keys by which a post is made once.

use std::sync::Arc;

use crate::model::{BotName, Change, Event};

/// The maximum length of a key, in bytes. The key is sent with the post; an event's id with a number fits.
pub(super) const MAX_KEY_BYTES: usize = 256;

/// The maximum length of the key of an answer, in bytes: an event's id (about 100), the longest name of a sink for an account
/// (257) and the longest key of the handler's own fit.
pub(super) const MAX_ANSWER_KEY_BYTES: usize = 1_024;

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
#[error("a key has 1 to {limit} bytes and no white space, such as an event's id; this one has {bytes} bytes")]
pub struct ReplyKeyError {
    bytes: usize,
    limit: usize,
}

impl ReplyKey {
    /// Creates a key from text. An earlier post with it is searched for among the newest posts of the channel.
    ///
    /// # Errors
    /// If it is empty, too long, or contains white space or control characters.
    pub fn new(text: &str) -> Result<Self, ReplyKeyError> {
        Self::of_at_most(MAX_KEY_BYTES, text)
    }

    /// Creates the key of an answer from text that consists of an event's id, the name of a sink, and a number or a key that was
    /// checked by itself. It may be longer than a key that is given.
    ///
    /// # Errors
    /// If it is empty, too long, or contains white space or control characters.
    pub fn of_answer(text: &str) -> Result<Self, ReplyKeyError> {
        Self::of_at_most(MAX_ANSWER_KEY_BYTES, text).map(Self::into_answer)
    }

    fn of_at_most(limit: usize, text: &str) -> Result<Self, ReplyKeyError> {
        let visible = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        let is_key = visible && (1..=limit).contains(&text.len());
        if is_key {
            Ok(Self { text: text.into(), since: None, answers: false })
        } else {
            Err(ReplyKeyError { bytes: text.len(), limit })
        }
    }

    /// Creates the key of the `n`th answer to an event; it is the same if the event is delivered again. The loop
    /// guard counts the post as an answer.
    pub fn for_event(event: &Event, n: usize) -> Self {
        Self::of_event(event, &format!("{}#{n}", event.id()))
    }

    /// Creates the key of the `n`th answer by one of several bots of the account, which [`for_event`](Self::for_event) does not
    /// tell apart.
    pub(crate) fn for_bot(event: &Event, bot: &BotName, n: usize) -> Self {
        Self::of_event(event, &format!("{}#{}#{n}", event.id(), bot.as_str()))
    }

    /// Creates the key of an answer that a bot gave the key `own`: it belongs to the event, and to the bot if that is one of
    /// several of the account.
    ///
    /// # Errors
    /// If the key is not valid by itself.
    pub(crate) fn own_for_event(
        event: &Event,
        bot: Option<&BotName>,
        own: &str,
    ) -> Result<Self, ReplyKeyError> {
        // It must be a key by itself, and not only together with the event.
        Self::new(own)?;
        let bot = bot.map_or("", BotName::as_str);
        let key = Self::of_answer(&format!("{}#{bot}/{own}", event.id()))?;
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
