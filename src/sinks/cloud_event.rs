//! Writes an event as one line of `CloudEvents` 1.0 JSON.
//!
//! `data` is the server's own text: only the members that hold JSON inside a string (fact 13) are opened, and
//! `broadcast` is added at the end. The rest goes through byte for byte, known or not.

use std::{
    borrow::Cow,
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use matterhost_actors::model::Event;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::telemetry::time::{from_unix_millis, rfc3339};

/// The attributes of the event, in the order in which a person reads them.
#[derive(Serialize)]
struct Attributes<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    r#type: String,
    time: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    datacontenttype: &'static str,
    account: &'a str,
    recovered: bool,
    own: bool,
}

/// The members of `data` that hold JSON inside a string.
#[derive(Default, Deserialize)]
struct Strings<'a> {
    #[serde(borrow)]
    post: Option<&'a RawValue>,
    #[serde(borrow)]
    mentions: Option<&'a RawValue>,
    #[serde(borrow)]
    reaction: Option<&'a RawValue>,
    #[serde(borrow)]
    channel: Option<&'a RawValue>,
    #[serde(borrow)]
    broadcast: Option<&'a RawValue>,
}

/// The member of a post that dates its event.
#[derive(Deserialize)]
struct Post {
    #[serde(default)]
    create_at: i64,
}

/// A member that was opened: the text that stands in its place.
struct Opened<'a> {
    at: &'a RawValue,
    json: String,
}

/// The event as a line, its newline included.
pub fn encode_line(event: &Event) -> String {
    let data = &*event.body.data;
    let strings: Option<Strings<'_>> =
        serde_json::from_str(data).ok().filter(|_| data.trim_start().starts_with('{'));
    let post = strings.as_ref().and_then(|strings| open(strings.post?));
    let head: Option<Post> = post.as_ref().and_then(|post| serde_json::from_str(&post.json).ok());
    let mut line = attributes(event, head.as_ref());
    // Attributes are an object: `data` goes in before its end.
    line.pop();
    line.push_str(",\"data\":");
    match &strings {
        Some(strings) => {
            let others = [strings.mentions, strings.reaction, strings.channel];
            let opened = post.into_iter().chain(others.into_iter().flatten().filter_map(open)).collect();
            let broadcast = Some(event.body.broadcast.trim()).filter(|text| text.starts_with('{'));
            splice(&mut line, data, opened, broadcast.filter(|_| strings.broadcast.is_none()));
        }
        None => push_other(&mut line, data),
    }
    line.push_str("}\n");
    line
}

fn attributes(event: &Event, post: Option<&Post>) -> String {
    let posted = (&*event.body.event == "posted").then_some(post).flatten();
    let time = posted.and_then(|post| server_time(post.create_at)).unwrap_or(event.received_at);
    let attributes = Attributes {
        specversion: "1.0",
        id: event.id(),
        source: format!("/matterhost/{}/{}", in_path(event.server.as_str()), in_path(event.account.as_str())),
        r#type: format!("com.mattermost.{}", event.body.event),
        time: rfc3339(time),
        subject: event.body.channel_id.as_str(),
        datacontenttype: "application/json",
        account: event.account.as_str(),
        recovered: event.recovered,
        own: event.own,
    };
    // Plain text and a bool cannot fail to be written.
    serde_json::to_string(&attributes).unwrap_or_else(|_| "{}".into())
}

/// Opens a string that holds a JSON object or list; anything else stays as it is.
fn open(at: &RawValue) -> Option<Opened<'_>> {
    let text: Cow<'_, str> = serde_json::from_str(at.get()).ok()?;
    let json = text.trim();
    if !json.starts_with(['{', '[']) || serde_json::from_str::<&RawValue>(json).is_err() {
        return None;
    }
    Some(Opened { at, json: one_line(json).into_owned() })
}

/// Writes `data`, an object, with what was opened in its place, and the broadcast as its last member.
fn splice(line: &mut String, data: &str, mut opened: Vec<Opened<'_>>, broadcast: Option<&str>) {
    opened.sort_by_key(|opened| offset(data, opened.at));
    let mut done = 0;
    for opened in &opened {
        let start = offset(data, opened.at);
        line.push_str(&one_line(&data[done..start]));
        line.push_str(&opened.json);
        done = start + opened.at.get().len();
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

/// Where in `data` a member's value stands, which was borrowed from it.
fn offset(data: &str, value: &RawValue) -> usize {
    (value.get().as_ptr() as usize).saturating_sub(data.as_ptr() as usize)
}

/// What is no object goes through as it is; what is no JSON at all becomes a text.
fn push_other(line: &mut String, data: &str) {
    if serde_json::from_str::<&RawValue>(data).is_ok() {
        line.push_str(&one_line(data));
    } else {
        line.push_str(&serde_json::to_string(data).unwrap_or_else(|_| "null".into()));
    }
}

/// JSON has line ends between its tokens only, where a space means the same.
fn one_line(json: &str) -> Cow<'_, str> {
    if json.contains(['\n', '\r']) { json.replace(['\n', '\r'], " ").into() } else { json.into() }
}

/// A name as a part of a URI's path.
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

/// A server's milliseconds as a time; 0 is none.
fn server_time(millis: i64) -> Option<SystemTime> {
    from_unix_millis(millis).filter(|time| *time != UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
