//! Encodes an event as one line of `CloudEvents` 1.0 JSON.
//!
//! `data` is the server's own text. Only the members that hold JSON inside a string (fact 13) are replaced by that
//! JSON, line ends become spaces, and `broadcast` is added at the end. The rest is copied byte for byte.

mod data;
mod decode;

use std::{
    cell::Cell,
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use matterhost_actors::{mattermost::ChannelKind, model::Event};
use serde::Serialize;

use self::data::EncodedData;
pub(super) use self::decode::decode;
use super::event_data::PostHead;
use crate::telemetry::time::{from_unix_millis, rfc3339};

/// An encoded event, with the parts that callers would otherwise have to parse again.
pub(super) struct EncodedEvent {
    /// The JSON, with a newline at its end.
    pub(super) line: String,
    pub(super) id: String,
    pub(super) source: String,
    /// The head of the post that a reply answers; the default if there is none.
    pub(super) post: PostHead,
}

/// The event's attributes, in the order in which a person reads them.
#[derive(Serialize)]
struct Attributes<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: String,
    time: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    datacontenttype: &'static str,
    account: &'a str,
    recovered: bool,
    own: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    botid: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    botname: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sendername: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channeltype: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    channelname: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    teamid: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    teamname: &'a str,
}

/// The beginning of every event's type.
pub(super) const TYPE_PREFIX: &str = "com.mattermost.";

/// The largest buffer that a thread keeps, in bytes. Nearly all lines are shorter.
const MOST_BUFFERED_BYTES: usize = 16 * 1024;

/// The bytes of the attributes, and of what is added to `data`: enough for most names.
const ATTRIBUTES_BYTES: usize = 512;

/// Returns the event as a line of JSON, with its newline.
pub fn encode_line(event: &Event) -> String {
    encode(event).line
}

/// Encodes an event as a line in a buffer of the thread, for a sink that needs the text only for a moment.
pub(super) fn with_line<T>(event: &Event, use_line: impl FnOnce(&str) -> T) -> T {
    thread_local! {
        static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    // The access fails only while the thread is ending; a call from within `use_line` gets a buffer of its own.
    let buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    let EncodedEvent { line, .. } = encode_in(buffer, event);
    let result = use_line(&line);
    if line.capacity() <= MOST_BUFFERED_BYTES {
        // As above.
        let _ = BUFFER.try_with(|buffer| buffer.set(line.into_bytes()));
    }
    result
}

/// Encodes an event.
pub(super) fn encode(event: &Event) -> EncodedEvent {
    encode_in(Vec::new(), event)
}

/// Encodes an event in a buffer, whose content is replaced.
fn encode_in(mut buffer: Vec<u8>, event: &Event) -> EncodedEvent {
    let data = EncodedData::of(&event.body);
    let (id, source) = (event.id(), source(event));
    buffer.clear();
    buffer.reserve(ATTRIBUTES_BYTES + data.json.len());
    let mut line = attributes(buffer, event, &id, &source, &data.post);
    // The attributes are an object; `data` goes before its closing brace.
    line.pop();
    line.push_str(",\"data\":");
    line.push_str(&data.json);
    line.push_str("}\n");
    EncodedEvent { line, id, source, post: data.post.clone() }
}

/// Writes the attributes into an empty buffer.
fn attributes(mut json: Vec<u8>, event: &Event, id: &str, source: &str, post: &PostHead) -> String {
    let created_at = post.id.as_ref().and(post.create_at).filter(|_| &*event.body.event == "posted");
    let time = created_at.and_then(server_time).unwrap_or(event.received_at);
    let channel = event.channel.as_deref();
    let attributes = Attributes {
        specversion: "1.0",
        id,
        source,
        r#type: format!("{TYPE_PREFIX}{}", event.body.event),
        time: rfc3339(time),
        subject: event.body.channel_id.as_str(),
        datacontenttype: "application/json",
        account: event.account.as_str(),
        recovered: event.recovered,
        own: event.own,
        botid: event.user.id.as_str(),
        botname: &event.user.name,
        sendername: event.sender.as_deref(),
        channeltype: channel.map(|channel| channel_type(&channel.kind)).filter(|kind| !kind.is_empty()),
        channelname: channel.map_or("", |channel| &channel.name),
        teamid: channel.map_or("", |channel| &channel.team_id),
        teamname: channel.map_or("", |channel| &channel.team_name),
    };
    // Serializing text and bools cannot fail, and makes UTF-8.
    match serde_json::to_writer(&mut json, &attributes) {
        Ok(()) => String::from_utf8(json).unwrap_or_else(|_| "{}".into()),
        Err(_) => "{}".into(),
    }
}

/// Returns the word for a channel's type; the server's own for one that is not known.
fn channel_type(letter: &str) -> &str {
    match ChannelKind::parse(letter) {
        ChannelKind::Open => "public",
        ChannelKind::Private => "private",
        ChannelKind::Direct => "direct",
        ChannelKind::Group => "group",
        ChannelKind::Other(_) => letter,
    }
}

fn source(event: &Event) -> String {
    format!("/matterhost/{}/{}", in_path(event.server.as_str()), in_path(event.account.as_str()))
}

/// Percent-encodes a name for a URI's path.
fn in_path(name: &str) -> String {
    name.bytes().fold(String::with_capacity(name.len()), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}

/// Converts server milliseconds to a time; `None` for 0 and for times that RFC 3339 cannot express.
fn server_time(millis: i64) -> Option<SystemTime> {
    from_unix_millis(millis).filter(|time| *time != UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
