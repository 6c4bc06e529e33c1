//! Replies of handlers, posted as the bot.

use std::{str, sync::Arc};

use matterhost_actors::model::{
    AccountName, ChannelId, Draft, Excerpt, OutgoingAction, PostId, ReplyKey, ReplyKeyError, UserId,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::message::Message;

/// The most replies to one event. A person reads no more, and a handler that writes without end must not fill memory.
pub(super) const MAX_REPLIES_PER_EVENT: usize = 16;

/// A reply of a handler, ready to be posted.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The account that posts it.
    pub account: AccountName,
    /// The sink of the handler.
    pub sink: Arc<str>,
    /// The id of the event that it answers, which is the same if the event is delivered again.
    pub event_id: Box<str>,
    /// The index among the replies to that event, from 0.
    pub index: usize,
    /// The creation time of the event's post in server milliseconds; no reply to it is older.
    pub event_create_at: Option<i64>,
    /// The channel of the event.
    pub channel: ChannelId,
    /// The root post of the thread, if the handler asked for one.
    pub thread: Option<PostId>,
    /// The readers of the reply.
    pub audience: Audience,
    /// The text; empty only if there are props.
    pub text: String,
    /// The post's props.
    pub props: Map<String, Value>,
}

impl Reply {
    /// Converts the reply into an action of its account.
    ///
    /// # Errors
    /// Fails if the event's id cannot be part of a key.
    pub(super) fn into_action(self) -> Result<OutgoingAction, ReplyKeyError> {
        let key = Some(self.key()?);
        let Self { channel, text, thread: root_id, props, .. } = self;
        let draft = Draft { channel, text, root_id, props, key, ..Draft::default() };
        Ok(match self.audience {
            Audience::Channel => OutgoingAction::Post(draft),
            Audience::Author(user) => OutgoingAction::Ephemeral { user, draft },
        })
    }

    /// Returns the idempotency key: the same when the event is delivered again, also after a kill.
    fn key(&self) -> Result<ReplyKey, ReplyKeyError> {
        let key = ReplyKey::new(&format!("{}#{}#{}", self.event_id, self.sink, self.index))?.into_answer();
        Ok(match self.event_create_at {
            Some(since) => key.with_earliest(since),
            None => key,
        })
    }
}

/// The readers of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Everyone in the channel.
    Channel,
    /// The author of the event's post, until they reload the page.
    Author(UserId),
}

/// The reason why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyParseError {
    /// The answer is longer than this many bytes.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// The connection ended before the answer was complete.
    #[error("the answer is incomplete")]
    Truncated,
    /// The answer is compressed in a way that was not asked for.
    #[error("{0}")]
    Encoded(String),
    /// The answer is in another charset.
    #[error("the answer is not in UTF-8")]
    NotUtf8,
    /// The answer is not JSON or does not have the expected members.
    #[error("the answer is not a JSON object with \"text\": {0}")]
    Malformed(Excerpt),
    /// The answer names a channel other than the event's.
    #[error("the answer names another channel; a reply goes to the channel of its event")]
    WrongChannel,
    /// The answer does not say which of several events it is for, or names an event that is not waiting for one.
    #[error("the answer must give the id of its event in \"to\"")]
    UnknownEvent,
    /// The reply is for the author only, and the event has none.
    #[error("an ephemeral answer needs an event with an author")]
    NoAuthor,
    /// The event has as many replies as it may have.
    #[error("an event has at most {MAX_REPLIES_PER_EVENT} replies; the others are refused")]
    TooMany,
}

impl ReplyParseError {
    /// Returns the reason with the event.
    pub(super) fn describe(&self, event_id: &str) -> String {
        format!("{self} (event {event_id})")
    }
}

/// A reply as a handler writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawReply {
    to: Option<String>,
    source: Option<String>,
    text: Option<String>,
    props: Option<Map<String, Value>>,
    response_type: Option<ResponseType>,
    in_thread: bool,
    channel: Option<String>,
    channel_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ResponseType {
    InChannel,
    Ephemeral,
}

/// Parses the answer to one or more events. An empty body, `null` and an object without text and props mean no reply.
pub(super) fn parse(
    body: &[u8],
    content_type: Option<&str>,
    events: &[&Message],
    sink: &Arc<str>,
) -> Result<Vec<Reply>, ReplyParseError> {
    if !is_utf8(content_type) {
        return Err(ReplyParseError::NotUtf8);
    }
    let text = str::from_utf8(body).map_err(|_| ReplyParseError::NotUtf8)?.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let malformed = |error: serde_json::Error| ReplyParseError::Malformed(Excerpt::of(&error));
    let raw_replies: Vec<RawReply> = if text.starts_with('[') {
        serde_json::from_str(text).map_err(malformed)?
    } else {
        serde_json::from_str::<Option<RawReply>>(text).map_err(malformed)?.into_iter().collect()
    };
    let mut counts = vec![0; events.len()];
    let reply = |raw: RawReply| {
        let reply = raw.event_index(events).and_then(|index| {
            let reply = raw.into_reply(events[index], sink, counts[index])?;
            counts[index] += usize::from(reply.is_some());
            Ok(reply)
        });
        reply.transpose()
    };
    raw_replies.into_iter().filter_map(reply).collect()
}

/// Returns about the number of bytes of a value in memory.
fn size(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(size).sum(),
            Value::Object(members) => members.iter().map(|(name, value)| name.len() + size(value)).sum(),
        }
}

/// Returns true if a content type names no charset, UTF-8 or its subset ASCII.
fn is_utf8(content_type: Option<&str>) -> bool {
    let parameters = content_type.unwrap_or_default().split(';').skip(1);
    let charset = parameters.filter_map(|parameter| parameter.trim().split_once('='));
    let mut charset = charset.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    charset.all(|(_, value)| {
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        matches!(value.as_str(), "utf-8" | "utf8" | "us-ascii")
    })
}

impl RawReply {
    /// Returns the number of bytes of the reply's text and props, without writing them as JSON.
    pub(super) fn len(&self) -> usize {
        let props = self.props.iter().flatten().map(|(name, value)| name.len() + size(value));
        self.text.as_ref().map_or(0, String::len) + props.sum::<usize>()
    }

    /// Returns the index of the event that the reply is for.
    pub(super) fn event_index(&self, events: &[&Message]) -> Result<usize, ReplyParseError> {
        match (&self.to, events) {
            (None, [_only]) => Ok(0),
            (None, _) => Err(ReplyParseError::UnknownEvent),
            (Some(to), events) => {
                events.iter().position(|event| self.refers_to(to, event)).ok_or(ReplyParseError::UnknownEvent)
            }
        }
    }

    fn refers_to(&self, to: &str, event: &Message) -> bool {
        *event.id == *to && self.source.as_ref().is_none_or(|source| *event.source == **source)
    }

    /// Returns the reply to post, the `n`th to its event; `None` if it has neither text nor props.
    pub(super) fn into_reply(
        self,
        event: &Message,
        sink: &Arc<str>,
        n: usize,
    ) -> Result<Option<Reply>, ReplyParseError> {
        let channel = event.channel.as_str();
        let named = [&self.channel, &self.channel_id];
        if named.into_iter().flatten().any(|named| named != channel) {
            return Err(ReplyParseError::WrongChannel);
        }
        let (text, props) = (self.text.unwrap_or_default(), self.props.unwrap_or_default());
        if text.trim().is_empty() && props.is_empty() {
            return Ok(None);
        }
        let post = &event.post;
        let audience = match self.response_type {
            None | Some(ResponseType::InChannel) => Audience::Channel,
            Some(ResponseType::Ephemeral) => {
                Audience::Author(post.user_id.clone().ok_or(ReplyParseError::NoAuthor)?)
            }
        };
        let root = post.root_id.as_ref().filter(|root| !root.as_str().is_empty()).or(post.id.as_ref());
        Ok(Some(Reply {
            account: event.account.clone(),
            sink: Arc::clone(sink),
            event_id: event.id.clone(),
            index: n,
            event_create_at: post.create_at,
            channel: event.channel.clone(),
            thread: root.filter(|_| self.in_thread).cloned(),
            audience,
            text,
            props,
        }))
    }
}

#[cfg(test)]
mod tests;
