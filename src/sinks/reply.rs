//! The actions of handlers in answer to events.

mod parse_error;

use std::{collections::BTreeMap, str, sync::Arc};

use matterhost_actors::model::Excerpt;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};

pub use self::parse_error::{RefusedAction, ReplyParseError};
use super::message::Message;
use crate::actions::{
    ActionPlace, AnsweredEvent, BotAction, CheckedAction, FAILED_DEPENDENCY, FileDir, MAX_ACTIONS,
    ResponseType,
};

/// The bytes that a named file counts for while its action is at work: it is open, and read in pieces of this size.
const OPEN_FILE_BYTES: usize = 64 * 1024;

/// The longest name that a handler gives an action to find its result by, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// An action of a handler, ready to be taken.
#[derive(Debug, Clone, PartialEq)]
pub struct HandlerAction {
    /// The event that it answers.
    pub event: AnsweredEvent,
    /// The index among the posts in answer to that event, from 0.
    pub index: usize,
    /// The name by which the handler wants to be told the result.
    pub name: Option<Box<str>>,
    /// The action.
    pub action: CheckedAction,
}

/// An action as a handler writes it, or a reply in the short form: an object without `action`.
#[derive(Debug)]
pub(super) struct RawAction {
    to: Option<String>,
    source: Option<String>,
    /// The channel that a reply in the short form names, which must be the event's.
    channels: [Option<String>; 2],
    name: Option<Box<str>>,
    /// The action; `None` if a reply in the short form is empty.
    action: Option<BotAction>,
    /// About the number of bytes of the action in memory.
    size: usize,
}

/// The members beside an action.
#[derive(Deserialize)]
struct Address {
    to: Option<String>,
    source: Option<String>,
    id: Option<String>,
}

/// The members of a reply in the short form.
const SHORT_MEMBERS: [&str; 10] = [
    "to",
    "source",
    "text",
    "props",
    "errors",
    "files",
    "response_type",
    "in_thread",
    "channel",
    "channel_id",
];

/// A reply in the short form.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ShortReply {
    to: Option<String>,
    source: Option<String>,
    text: Option<String>,
    props: Option<Map<String, Value>>,
    errors: BTreeMap<String, String>,
    files: Vec<String>,
    response_type: Option<ResponseType>,
    in_thread: bool,
    channel: Option<String>,
    channel_id: Option<String>,
}

impl<'de> Deserialize<'de> for RawAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of_members(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// An object in the answer of a webhook; `None` if it has no member of an action or reply. Web frameworks answer
/// `{"status": "ok"}` by themselves, which is not meant as a reply.
struct WebhookObject(Option<RawAction>);

impl<'de> Deserialize<'de> for WebhookObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = Map::deserialize(deserializer)?;
        let is_reply = |name: &String| name == "action" || SHORT_MEMBERS.contains(&name.as_str());
        if members.keys().any(is_reply) {
            RawAction::of_members(members).map(|action| Self(Some(action))).map_err(D::Error::custom)
        } else {
            Ok(Self(None))
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

impl RawAction {
    fn of_members(mut members: Map<String, Value>) -> Result<Self, String> {
        let size = members.iter().map(|(name, value)| name.len() + size(value)).sum();
        if !members.contains_key("action") {
            return read(Value::Object(members)).map(|reply| Self::short(reply, size));
        }
        let names = ["to", "source", "id"];
        let address = names.into_iter().filter_map(|name| Some((name.to_owned(), members.remove(name)?)));
        let address = read(Value::Object(address.collect()))?;
        Self::addressed(address, read(Value::Object(members))?, size)
    }

    fn addressed(address: Address, action: BotAction, size: usize) -> Result<Self, String> {
        let Address { to, source, id } = address;
        if id.as_ref().is_some_and(|id| !(1..=MAX_NAME_BYTES).contains(&id.len())) {
            return Err(format!("id must have 1 to {MAX_NAME_BYTES} bytes"));
        }
        let (name, channels) = (id.map(Into::into), [None, None]);
        let size = size + action.file_count() * OPEN_FILE_BYTES;
        Ok(Self { to, source, channels, name, action: Some(action), size })
    }

    fn short(reply: ShortReply, size: usize) -> Self {
        let (text, props) = (reply.text.unwrap_or_default(), reply.props.unwrap_or_default());
        let files = reply.files;
        let is_empty =
            text.trim().is_empty() && props.is_empty() && reply.errors.is_empty() && files.is_empty();
        let size = size + files.len() * OPEN_FILE_BYTES;
        let (in_thread, response_type) = (reply.in_thread, reply.response_type);
        let errors = reply.errors;
        let action = BotAction::Reply { text, in_thread, response_type, props, errors, key: None, files };
        Self {
            to: reply.to,
            source: reply.source,
            channels: [reply.channel, reply.channel_id],
            name: None,
            action: (!is_empty).then_some(action),
            size,
        }
    }

    /// Returns the name by which the handler wants to be told the result.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the event that the handler names.
    pub(super) fn to(&self) -> Option<&str> {
        self.to.as_deref()
    }

    /// Returns the source of that event, if the handler names it.
    pub(super) fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// Returns about the number of bytes of the action in memory.
    pub(super) fn len(&self) -> usize {
        self.size
    }

    /// Returns the index of the event that the action answers.
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

    /// Returns the action to take in answer to an event; `None` if it is an empty reply. If it creates a post, it is the
    /// `index`th. `files` is the directory of a child process.
    pub(super) fn into_action(
        self,
        event: AnsweredEvent,
        index: usize,
        files: Option<&FileDir>,
    ) -> Result<Option<HandlerAction>, ReplyParseError> {
        let channel = event.channel.as_str();
        if self.channels.iter().flatten().any(|named| named != channel) {
            return Err(ReplyParseError::WrongChannel);
        }
        let Some(action) = self.action else { return Ok(None) };
        let checked = action.check(ActionPlace::Answer { event: &event, index, files });
        let action = checked?;
        Ok(Some(HandlerAction { event, index, name: self.name, action }))
    }
}

impl HandlerAction {
    /// True if the action creates a post.
    pub(super) fn is_post(&self) -> bool {
        self.action.is_post()
    }
}

/// Parses the answer to one or more events. `posts` is the number of posts that answered them before. An empty body,
/// `null`, an object without text, props and action, and one without any member of a reply mean no action.
pub(super) fn parse(
    body: &[u8],
    content_type: Option<&str>,
    events: &[&Message],
    sink: &Arc<str>,
    posts: usize,
) -> Result<Vec<HandlerAction>, ReplyParseError> {
    if !is_utf8(content_type) {
        return Err(ReplyParseError::NotUtf8);
    }
    let text = str::from_utf8(body).map_err(|_| ReplyParseError::NotUtf8)?.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let malformed = |error: serde_json::Error| ReplyParseError::Malformed(Excerpt::of(&error));
    let is_list = text.starts_with('[');
    let written: Vec<Value> = if is_list {
        serde_json::from_str(text).map_err(malformed)?
    } else {
        serde_json::from_str::<Option<Value>>(text).map_err(malformed)?.into_iter().collect()
    };
    if written.len() > MAX_ACTIONS {
        return Err(ReplyParseError::TooManyActions(written.len()));
    }
    let mut counts = vec![posts; events.len()];
    let action = |written: &Value| {
        let WebhookObject(raw) = serde_json::from_value(written.clone()).map_err(malformed)?;
        let Some(raw) = raw else { return Ok(None) };
        let event = raw.event_index(events)?;
        let action = raw.into_action(events[event].answered(sink), counts[event], None)?;
        counts[event] += usize::from(action.as_ref().is_some_and(HandlerAction::is_post));
        Ok(action)
    };
    let mut actions: Vec<_> = written.iter().map(action).collect();
    match actions.iter().position(Result::is_err) {
        None => Ok(actions.into_iter().flatten().flatten().collect()),
        Some(first) => {
            let refused = refused_actions(&written, &actions, first, events);
            match actions.swap_remove(first) {
                Err(error) if !refused.is_empty() => {
                    Err(ReplyParseError::Refused { error: Box::new(error), actions: refused })
                }
                Err(error) => Err(error),
                Ok(_) => Ok(Vec::new()),
            }
        }
    }
}

/// Returns the actions with a name of an answer that cannot be used because of the `first` of its actions, and perhaps others.
fn refused_actions(
    written: &[Value],
    actions: &[Result<Option<HandlerAction>, ReplyParseError>],
    first: usize,
    events: &[&Message],
) -> Vec<RefusedAction> {
    let refused = |(written, action): (&Value, &Result<_, ReplyParseError>)| {
        let text = |member: &str| written.get(member).and_then(Value::as_str);
        let name = text("id").filter(|name| (1..=MAX_NAME_BYTES).contains(&name.len()))?;
        text("action")?;
        let is_answered = |event: &&&Message| {
            text("to") == Some(&*event.id) && text("source").is_none_or(|source| source == &*event.source)
        };
        let event = events.iter().position(|event| is_answered(&event)).unwrap_or_default();
        let (status, detail) = if let Err(error) = action {
            (error.status(), error.to_string())
        } else {
            let reason = format!("not taken, because action [{first}] of the answer cannot be taken");
            (FAILED_DEPENDENCY, reason)
        };
        Some(RefusedAction { event, name: name.into(), status, detail })
    };
    written.iter().zip(actions).filter_map(refused).collect()
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

#[cfg(test)]
mod tests;
