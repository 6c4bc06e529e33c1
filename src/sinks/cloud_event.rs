//! Encodes an event as one line of `CloudEvents` 1.0 JSON.
//!
//! `data` is the server's own text. Only the members that hold JSON inside a string (fact 13) are replaced by that
//! JSON, line ends become spaces, and `broadcast` is added at the end. The rest is copied byte for byte.

use std::{
    borrow::Cow,
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use matterhost_actors::{mattermost::ChannelKind, model::Event};
use serde::Serialize;
use serde_json::value::RawValue;

use super::event_data::{EventData, PostHead, object, text};
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
}

/// The bytes of the attributes, and of what is added to `data`: enough for most names.
const ATTRIBUTES_BYTES: usize = 512;

/// A member that holds JSON inside a string, and that JSON.
struct NestedJson<'a> {
    member: &'a RawValue,
    json: String,
}

/// Returns the event as a line of JSON, with its newline.
pub fn encode_line(event: &Event) -> String {
    encode(event).line
}

/// Encodes an event.
pub(super) fn encode(event: &Event) -> EncodedEvent {
    let text = &*event.body.data;
    let data = EventData::parse(text);
    let (post_json, post) = data.as_ref().and_then(|data| nested_post(data.post?)).unzip();
    let post = post.or_else(|| object(data.as_ref()?.post?));
    let post = PostHead::answered(post, || object(data.as_ref()?.reaction?));
    let (id, source) = (event.id(), source(event));
    let mut line = attributes(event, &id, &source, &post, text.len() + event.body.broadcast.len());
    // The attributes are an object; `data` goes before its closing brace.
    line.pop();
    line.push_str(",\"data\":");
    match &data {
        Some(data) => {
            let others = [data.mentions, data.reaction, data.channel];
            let others = others.into_iter().flatten().filter_map(nested_json);
            let nested = post_json.into_iter().chain(others).collect();
            let broadcast = Some(event.body.broadcast.trim()).filter(|text| text.starts_with('{'));
            splice(&mut line, text, nested, broadcast.filter(|_| data.broadcast.is_none()));
        }
        None => push_other(&mut line, text),
    }
    line.push_str("}\n");
    EncodedEvent { line, id, source, post }
}

/// Writes the attributes into a buffer that has room for as many more bytes.
fn attributes(event: &Event, id: &str, source: &str, post: &PostHead, room: usize) -> String {
    let created_at = post.id.as_ref().and(post.create_at).filter(|_| &*event.body.event == "posted");
    let time = created_at.and_then(server_time).unwrap_or(event.received_at);
    let channel = event.channel.as_deref();
    let attributes = Attributes {
        specversion: "1.0",
        id,
        source,
        r#type: format!("com.mattermost.{}", event.body.event),
        time: rfc3339(time),
        subject: event.body.channel_id.as_str(),
        datacontenttype: "application/json",
        account: event.account.as_str(),
        recovered: event.recovered,
        own: event.own,
        botid: event.user.id.as_str(),
        botname: &event.user.name,
        sendername: event.sender.as_deref(),
        channeltype: channel.map(|channel| channel_type(&channel.kind)),
        channelname: channel.map_or("", |channel| &channel.name),
        teamid: channel.map_or("", |channel| &channel.team_id),
    };
    let mut json = Vec::with_capacity(ATTRIBUTES_BYTES + room);
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

/// Returns the JSON object or list inside a string; `None` for anything else, which stays as it is.
fn nested_json(member: &RawValue) -> Option<NestedJson<'_>> {
    let text = text(member)?;
    let json = text.trim();
    if !json.starts_with(['{', '[']) || serde_json::from_str::<&RawValue>(json).is_err() {
        return None;
    }
    Some(NestedJson { member, json: one_line_of(text) })
}

/// Like [`nested_json`], with the head of the post, which is read in the same pass.
fn nested_post(member: &RawValue) -> Option<(NestedJson<'_>, PostHead)> {
    let text = text(member)?;
    let post = Some(text.trim()).filter(|json| json.starts_with('{'));
    match post.and_then(|json| serde_json::from_str::<PostHead>(json).ok()) {
        Some(head) => Some((NestedJson { member, json: one_line_of(text) }, head)),
        None => nested_json(member).map(|nested| (nested, PostHead::default())),
    }
}

/// Returns JSON without surrounding white space and line ends; it is copied only if there are any.
fn one_line_of(text: Cow<'_, str>) -> String {
    match text {
        Cow::Owned(text) if text.trim().len() == text.len() && !text.contains(['\n', '\r']) => text,
        text => one_line(text.trim()).into_owned(),
    }
}

/// Writes `data`, an object, with the nested JSON in place of its strings and the broadcast as the last member.
fn splice(line: &mut String, data: &str, mut nested: Vec<NestedJson<'_>>, broadcast: Option<&str>) {
    nested.sort_by_key(|nested| offset(data, nested.member));
    let mut done = 0;
    for nested in &nested {
        let start = offset(data, nested.member);
        line.push_str(&one_line(&data[done..start]));
        line.push_str(&nested.json);
        done = start + nested.member.get().len();
    }
    let rest = one_line(&data[done..]);
    let (Some(broadcast), Some(end)) = (broadcast, rest.rfind('}')) else {
        line.push_str(&rest);
        return;
    };
    line.push_str(&rest[..end]);
    if !line.trim_end().ends_with('{') {
        line.push(',');
    }
    line.push_str("\"broadcast\":");
    line.push_str(&one_line(broadcast));
    line.push_str(&rest[end..]);
}

/// Returns the byte offset in `data` of a value that was borrowed from it.
fn offset(data: &str, value: &RawValue) -> usize {
    (value.get().as_ptr() as usize).saturating_sub(data.as_ptr() as usize)
}

/// Writes `data` that is not an object: JSON as it is, anything else as a JSON string.
fn push_other(line: &mut String, data: &str) {
    if serde_json::from_str::<&RawValue>(data).is_ok() {
        line.push_str(&one_line(data));
    } else {
        line.push_str(&serde_json::to_string(data).unwrap_or_else(|_| "null".into()));
    }
}

/// Replaces line ends by spaces. JSON has them only between tokens, where both mean the same.
fn one_line(json: &str) -> Cow<'_, str> {
    if json.contains(['\n', '\r']) { json.replace(['\n', '\r'], " ").into() } else { json.into() }
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
