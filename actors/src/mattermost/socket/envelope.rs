//! The envelope of a text frame, parsed once and borrowing from its text.
//!
//! Only the envelope is parsed. `data` and `broadcast` stay as the server wrote them, byte for byte, so
//! that unknown events and fields pass through unchanged.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::Deserialize;
use serde_json::{error::Category, value::RawValue};

use super::raw::is_object;

/// The longest name of an event, in bytes. A plugin's name contains its id, which has at most 190.
const MAX_EVENT_NAME_BYTES: usize = 256;

/// A text frame: an event, or the reply to one of our actions.
#[derive(Debug, Clone)]
pub enum Incoming<'a> {
    /// An event.
    Event(EventEnvelope<'a>),
    /// A reply, which does not count in the sequence (fact 14).
    Reply(SocketReply<'a>),
}

/// An event as the server sent it.
#[derive(Debug, Clone)]
pub struct EventEnvelope<'a> {
    /// The event's name, such as `posted`.
    pub event: Cow<'a, str>,
    /// The content, or `null`.
    pub data: &'a RawValue,
    /// The recipients, or `null`.
    pub broadcast: &'a RawValue,
    /// The sequence number in this connection: 0 for hello, then increasing by one (fact 14).
    pub seq: u64,
}

/// The reply to an action.
#[derive(Debug, Clone)]
pub struct SocketReply<'a> {
    /// True if the status is `OK`. **A reply alone proves nothing**: a deaf socket replies too (fact 4).
    pub ok: bool,
    /// The status as the server sent it, `OK` or `FAIL`.
    pub status: Cow<'a, str>,
    /// The number of the action; missing if the server could not read it.
    pub seq_reply: Option<u64>,
    /// The error, if the action failed.
    pub error: Option<SocketReplyError<'a>>,
    /// The content, if any.
    pub data: Option<&'a RawValue>,
}

/// The error in a reply.
#[derive(Debug, Clone)]
pub struct SocketReplyError<'a> {
    /// Mattermost's name of the error. It varies (fact 20): rely on the code instead.
    pub id: Cow<'a, str>,
    /// The message for people.
    pub message: Cow<'a, str>,
    /// The error as an HTTP status: 401 means that the socket is deaf (fact 20).
    pub status_code: u16,
}

/// A frame that could not be parsed. The error does not contain its text, which may be long, private or a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The frame is no JSON, or a text in it has the wrong type.
    #[error("the frame is not a Mattermost envelope: {0}")]
    Json(#[from] JsonProblem),
    /// The frame is not a JSON object.
    #[error("the frame is not a Mattermost envelope: it is no JSON object")]
    NoObject,
    /// A member has an unexpected type or value.
    #[error("the frame is not a Mattermost envelope: its `{0}` has an unexpected type or value")]
    Member(&'static str),
    /// The event's name is not one.
    #[error("the event's name is longer than {MAX_EVENT_NAME_BYTES} bytes or holds control characters")]
    Name,
    /// The frame is neither an event nor a reply.
    #[error("the frame is neither an event (`event`, `seq`) nor a reply (`status`)")]
    Neither,
}

/// The fields of both kinds; those present decide the kind.
///
/// Numbers and objects are read raw first: see [`super::raw`].
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    event: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    broadcast: Option<&'a RawValue>,
    #[serde(borrow)]
    seq: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    seq_reply: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// The fields of an error.
#[derive(Deserialize)]
struct ErrorFields<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
    #[serde(borrow)]
    status_code: Option<&'a RawValue>,
}

/// A string that borrows if possible; serde borrows an optional `Cow` only through a wrapper type.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Parses a text frame. Surrounding white space is ignored: the server ends frames with a newline.
///
/// # Errors
///
/// Fails if the text is not an envelope.
pub fn parse_frame(text: &str) -> Result<Incoming<'_>, EnvelopeError> {
    let fields: Fields<'_> = parse_object(text)?;
    match fields {
        Fields { event: Some(event), .. } if !is_event_name(&event.0) => Err(EnvelopeError::Name),
        Fields { event: Some(event), seq: Some(seq), data, broadcast, .. } => {
            Ok(Incoming::Event(EventEnvelope {
                event: event.0,
                data: data.unwrap_or(RawValue::NULL),
                broadcast: broadcast.unwrap_or(RawValue::NULL),
                seq: parse_number("seq", seq)?,
            }))
        }
        Fields { event: None, status: Some(status), seq_reply, error, data, .. } => {
            Ok(Incoming::Reply(SocketReply {
                ok: status.0 == "OK",
                status: status.0,
                seq_reply: seq_reply.map(|number| parse_number("seq_reply", number)).transpose()?,
                error: error.map(parse_error).transpose()?,
                data,
            }))
        }
        _ => Err(EnvelopeError::Neither),
    }
}

fn parse_object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, EnvelopeError> {
    if !is_object(text) {
        let _: &RawValue = serde_json::from_str(text).map_err(JsonProblem::from)?;
        return Err(EnvelopeError::NoObject);
    }
    Ok(serde_json::from_str(text).map_err(JsonProblem::from)?)
}

fn parse_number<T: FromStr>(name: &'static str, value: &RawValue) -> Result<T, EnvelopeError> {
    value.get().parse().map_err(|_| EnvelopeError::Member(name))
}

fn parse_error(value: &RawValue) -> Result<SocketReplyError<'_>, EnvelopeError> {
    let fields: ErrorFields<'_> = parse_object(value.get()).map_err(|_| EnvelopeError::Member("error"))?;
    Ok(SocketReplyError {
        id: fields.id.map(|text| text.0).unwrap_or_default(),
        message: fields.message.map(|text| text.0).unwrap_or_default(),
        status_code: fields.status_code.map_or(Ok(0), |code| parse_number("error.status_code", code))?,
    })
}

fn is_event_name(name: &str) -> bool {
    name.len() <= MAX_EVENT_NAME_BYTES && !name.contains(char::is_control)
}

/// The kind and position of an error in JSON. It contains nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonProblem {
    category: Category,
    line: usize,
    column: usize,
}

impl From<serde_json::Error> for JsonProblem {
    fn from(error: serde_json::Error) -> Self {
        Self { category: error.classify(), line: error.line(), column: error.column() }
    }
}

impl fmt::Display for JsonProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.category {
            Category::Io => "it cannot be read",
            Category::Syntax => "it is no JSON",
            Category::Data => "a field has an unexpected type or value",
            Category::Eof => "it is incomplete",
        };
        write!(f, "{kind} (line {}, column {})", self.line, self.column)
    }
}

impl std::error::Error for JsonProblem {}

#[cfg(test)]
mod tests;
