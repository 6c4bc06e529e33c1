//! What a text frame says: parsed once, borrowing from its text.
//!
//! Only the envelope is looked into. `data` and `broadcast` stay as the server wrote them, byte for
//! byte, so that unknown events and fields pass through untouched.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A text frame: something that happened, or the answer to a question of ours.
#[derive(Debug, Clone)]
pub enum Incoming<'a> {
    /// Something happened.
    Event(EventEnvelope<'a>),
    /// An answer, which does not count in the sequence (fact 14).
    Reply(SocketReply<'a>),
}

/// An event as the server sent it.
#[derive(Debug, Clone)]
pub struct EventEnvelope<'a> {
    /// Its name, such as `posted`.
    pub event: Cow<'a, str>,
    /// Its content; `null` where there is none.
    pub data: &'a RawValue,
    /// To whom it was sent; `null` where there is none.
    pub broadcast: &'a RawValue,
    /// Its place in this connection: 0 for hello, then one more each (fact 14).
    pub seq: u64,
}

/// The answer to an action.
#[derive(Debug, Clone)]
pub struct SocketReply<'a> {
    /// Whether the status is `OK`. **A reply alone proves nothing**: a deaf socket answers too (fact 4).
    pub ok: bool,
    /// The status as it stands, `OK` or `FAIL`.
    pub status: Cow<'a, str>,
    /// The number of the question. Missing when the server could not make it out.
    pub seq_reply: Option<u64>,
    /// What was wrong.
    pub error: Option<SocketReplyError<'a>>,
    /// The content, where there is one.
    pub data: Option<&'a RawValue>,
}

/// The error in a reply.
#[derive(Debug, Clone, Deserialize)]
pub struct SocketReplyError<'a> {
    /// Mattermost's name of the error. It varies (fact 20): go by the code.
    #[serde(borrow, default)]
    pub id: Cow<'a, str>,
    /// What a person should read.
    #[serde(borrow, default)]
    pub message: Cow<'a, str>,
    /// As an HTTP status: 401 means that the socket is deaf (fact 20).
    #[serde(default)]
    pub status_code: u16,
}

/// Why a frame could not be understood. Its text is left out: it may be a private message.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// It is no JSON object, or a field is of another kind.
    #[error("the frame is not a Mattermost envelope: {0}")]
    Json(#[from] serde_json::Error),
    /// It is neither an event nor a reply.
    #[error("the frame is neither an event (`event`, `seq`) nor a reply (`status`)")]
    Neither,
}

/// Both kinds in one: the fields tell which it is.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    event: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    broadcast: Option<&'a RawValue>,
    seq: Option<u64>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    seq_reply: Option<u64>,
    #[serde(borrow)]
    error: Option<SocketReplyError<'a>>,
}

/// An optional `Cow` borrows only from within a type of its own.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads a text frame. White space around it is fine: the server ends frames with a newline.
///
/// # Errors
///
/// When it is no envelope.
pub fn parse_frame(text: &str) -> Result<Incoming<'_>, EnvelopeError> {
    let fields: Fields<'_> = serde_json::from_str(text)?;
    match fields {
        Fields { event: Some(event), seq: Some(seq), data, broadcast, .. } => {
            Ok(Incoming::Event(EventEnvelope {
                event: event.0,
                data: data.unwrap_or(RawValue::NULL),
                broadcast: broadcast.unwrap_or(RawValue::NULL),
                seq,
            }))
        }
        Fields { event: None, status: Some(status), seq_reply, error, data, .. } => {
            Ok(Incoming::Reply(SocketReply {
                ok: status.0 == "OK",
                status: status.0,
                seq_reply,
                error,
                data,
            }))
        }
        _ => Err(EnvelopeError::Neither),
    }
}

#[cfg(test)]
mod tests;
