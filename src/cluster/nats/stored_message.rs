//! Messages of the stream of actions as NATS stores them, whatever their senders have written into the headers.
//!
//! The client refuses a message with a header that it cannot read: it could neither be taken nor deleted.

use std::{
    fmt::Display,
    time::{Duration, UNIX_EPOCH},
};

use async_nats::jetstream::{Context, ErrorCode, response::Response, stream::RawMessage};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use matterhost_actors::model::Excerpt;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::cluster::action_queue::{QueueError, QueueState};

/// A message of a stream.
#[derive(Debug)]
pub(super) struct StoredMessage {
    /// Its number.
    pub(super) sequence: u64,
    /// The time at which it was stored, in nanoseconds.
    pub(super) stored_at: i128,
    /// Its text.
    pub(super) text: Vec<u8>,
    headers: Vec<u8>,
}

#[derive(Deserialize)]
struct Found {
    message: RawMessage,
}

/// The parts of the description of a stream that say how it is now.
#[derive(Deserialize)]
struct Info {
    ts: String,
    config: InfoConfig,
    state: InfoState,
}

#[derive(Deserialize)]
struct InfoConfig {
    /// In nanoseconds; zero if messages are never too old.
    max_age: u64,
}

#[derive(Deserialize)]
struct InfoState {
    messages: u64,
    first_ts: String,
}

/// Returns the first message of a subject. The leader of the stream is asked.
pub(super) async fn first_of(
    context: &Context,
    stream: &str,
    subject: &str,
) -> Result<Option<StoredMessage>, QueueError> {
    find(context, stream, json!({ "seq": 1, "next_by_subj": subject })).await
}

/// Returns the message of a number.
pub(super) async fn by_number(
    context: &Context,
    stream: &str,
    sequence: u64,
) -> Result<Option<StoredMessage>, QueueError> {
    find(context, stream, json!({ "seq": sequence })).await
}

/// Returns the state of a stream, by the clock of its leader.
pub(super) async fn state_of(context: &Context, stream: &str) -> Result<QueueState, QueueError> {
    let info: Info = match ask(context, format!("STREAM.INFO.{stream}"), json!({})).await? {
        Response::Ok(info) => info,
        Response::Err { error } => return Err(failed(&error)),
    };
    let InfoState { messages: actions, first_ts } = info.state;
    // An empty stream has no first message, whatever it says.
    let oldest = if actions > 0 { Some(nanoseconds(&first_ts)?) } else { None };
    let kept_for = Some(Duration::from_nanos(info.config.max_age)).filter(|age| !age.is_zero());
    Ok(QueueState { now: nanoseconds(&info.ts)?, actions, oldest, kept_for })
}

/// Returns a time as nanoseconds since 1970.
fn nanoseconds(text: &str) -> Result<i128, QueueError> {
    let time = humantime::parse_rfc3339(text).map_err(|error| failed(&error))?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|error| failed(&error))?;
    i128::try_from(since.as_nanos()).map_err(|error| failed(&error))
}

/// Returns the error of a request.
pub(super) fn failed(error: &impl Display) -> QueueError {
    QueueError(Excerpt::of(error))
}

async fn find(context: &Context, stream: &str, which: Value) -> Result<Option<StoredMessage>, QueueError> {
    match ask::<Found>(context, format!("STREAM.MSG.GET.{stream}"), which).await? {
        Response::Ok(found) => StoredMessage::decode(found.message).map(Some),
        Response::Err { error } if error.error_code() == ErrorCode::NO_MESSAGE_FOUND => Ok(None),
        Response::Err { error } => Err(failed(&error)),
    }
}

async fn ask<T: DeserializeOwned>(
    context: &Context,
    subject: String,
    request: Value,
) -> Result<Response<T>, QueueError> {
    context.request(subject, &request).await.map_err(|error| failed(&error))
}

impl StoredMessage {
    fn decode(message: RawMessage) -> Result<Self, QueueError> {
        let decode = |text: &str| BASE64_STANDARD.decode(text).map_err(|error| failed(&error));
        Ok(Self {
            sequence: message.sequence,
            stored_at: message.time.unix_timestamp_nanos(),
            text: decode(&message.payload)?,
            headers: decode(&message.headers.unwrap_or_default())?,
        })
    }

    /// Returns a header, if the message has it. Others may be no headers at all.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let headers = String::from_utf8_lossy(&self.headers);
        let mut pairs = headers.lines().filter_map(|line| line.split_once(':'));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_among_those_that_are_none() {
        let (sequence, stored_at, text) = (1, 2, Vec::new());
        let headers =
            b"NATS/1.0\r\nBad Name: x\r\nB: \xff\xfe\r\n:\r\nnone\r\nReply: a.b:c \r\nReply: d\r\n\r\n";
        let message = StoredMessage { sequence, stored_at, text, headers: headers.to_vec() };
        assert_eq!(message.header("Reply").as_deref(), Some("a.b:c"));
        assert_eq!(message.header("reply"), None);
        assert_eq!(StoredMessage { headers: Vec::new(), ..message }.header("Reply"), None);
    }
}
