//! What handlers answer: a reply that is to be posted as the bot.

use std::{
    str,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{FutureExt as _, future::BoxFuture};
use matterhost_actors::{
    model::{
        AccountName, ChannelId, Draft, Excerpt, OutgoingAction, PostId, PostedIds, ReplyError, ReplyKey,
        ReplyKeyError, UserId,
    },
    ports::Poster,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::message::Message;

/// A post that a handler wants made as the bot.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The account that it is posted by.
    pub account: AccountName,
    /// The sink whose handler answered.
    pub sink: Arc<str>,
    /// The id of the event that it answers: the same when the event comes again.
    pub event_id: Box<str>,
    /// Which of the answers to that event it is, from 0.
    pub index: usize,
    /// When the post was made that the event is about, in server milliseconds: no answer to it is older.
    pub event_create_at: Option<i64>,
    /// The channel: the event's own.
    pub channel: ChannelId,
    /// The thread that it belongs to, where the handler wants one.
    pub thread: Option<PostId>,
    /// Who sees it.
    pub audience: Audience,
    /// The text; not empty, unless there are props.
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

/// Who sees a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// All in the channel.
    Channel,
    /// The author of what it answers, until they load the page again.
    Author(UserId),
}

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyParseError {
    /// It is longer than is read.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// It came halfway.
    #[error("the answer broke off")]
    Truncated,
    /// It is text in another charset.
    #[error("the answer is not in UTF-8")]
    NotUtf8,
    /// It is no JSON, or not of the form of an answer.
    #[error("the answer is no JSON object with \"text\": {0}")]
    Malformed(Excerpt),
    /// It names another channel than that of the event.
    #[error("the answer names another channel; a reply goes where the event came from")]
    WrongChannel,
    /// It does not say which of several events it answers, or names one that is not open.
    #[error("the answer must name the id of the event that it answers in \"to\"")]
    UnknownEvent,
    /// Only an author can see it, and the event has none.
    #[error("an ephemeral answer needs an event with an author")]
    NoAuthor,
}

/// An answer as a handler writes it.
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

/// Reads the body of an answer to one or more events. Nothing, `null` and an object without text are no reply.
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
    let form = |error: serde_json::Error| ReplyParseError::Malformed(Excerpt::of(&error));
    let given: Vec<RawReply> = if text.starts_with('[') {
        serde_json::from_str(text).map_err(form)?
    } else {
        serde_json::from_str::<Option<RawReply>>(text).map_err(form)?.into_iter().collect()
    };
    let mut answered = vec![0; events.len()];
    let reply = |given: RawReply| {
        let reply = given.event_index(events).and_then(|place| {
            let reply = given.into_reply(events[place], sink, answered[place])?;
            answered[place] += usize::from(reply.is_some());
            Ok(reply)
        });
        reply.transpose()
    };
    given.into_iter().filter_map(reply).collect()
}

/// Whether a content type is silent about the charset, or names UTF-8 or a part of it.
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
    /// The place of the event that it answers, among those that it may.
    pub(super) fn event_index(&self, events: &[&Message]) -> Result<usize, ReplyParseError> {
        match (&self.to, events) {
            (None, [_only]) => Ok(0),
            (None, _) => Err(ReplyParseError::UnknownEvent),
            (Some(to), events) => {
                events.iter().position(|event| self.names(to, event)).ok_or(ReplyParseError::UnknownEvent)
            }
        }
    }

    fn names(&self, to: &str, event: &Message) -> bool {
        *event.id == *to && self.source.as_ref().is_none_or(|source| *event.source == **source)
    }

    /// What is to be posted, as the `n`th answer; nothing where there is no text and are no props.
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
        let post = event.post_info();
        let audience = match self.response_type {
            None | Some(ResponseType::InChannel) => Audience::Channel,
            Some(ResponseType::Ephemeral) => Audience::Author(post.user_id.ok_or(ReplyParseError::NoAuthor)?),
        };
        let root = post.root_id.filter(|root| !root.as_str().is_empty()).or(post.id);
        Ok(Some(Reply {
            account: event.account.clone(),
            sink: Arc::clone(sink),
            event_id: event.id.clone(),
            index: n,
            event_create_at: post.create_at,
            channel: event.channel.clone(),
            thread: root.filter(|_| self.in_thread),
            audience,
            text,
            props,
        }))
    }
}

/// A poster that drops every reply: for dead letters that are sent again, long after the posts that they are about.
#[derive(Debug)]
pub struct DiscardingReplyPoster {
    sink: Arc<str>,
    /// True once a dropped reply has been logged.
    logged: AtomicBool,
}

impl DiscardingReplyPoster {
    /// Creates a poster for the replies of a sink.
    pub fn new(sink: Arc<str>) -> Self {
        Self { sink, logged: AtomicBool::new(false) }
    }
}

impl Poster for DiscardingReplyPoster {
    fn post(
        &self,
        account: &AccountName,
        _: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        if !self.logged.swap(true, Ordering::Relaxed) {
            let (account, sink) = (account.as_str(), &*self.sink);
            tracing::warn!(account, sink, "replies to dead letters are dropped");
        }
        std::future::ready(Ok(PostedIds::default())).boxed()
    }
}

#[cfg(test)]
mod tests;
