//! The lines that a child writes to its standard output.

use std::time::Duration;

use matterhost_actors::model::Excerpt;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::sinks::{message::Message, reply::RawAction};

/// The retry delay if a child gives none.
const DEFAULT_RETRY: Duration = Duration::from_secs(1);

/// The longest time for which a child may say that it is at work: it can say so again, and a child that hangs cannot.
const MAX_WORK_TIME: Duration = Duration::from_secs(3600);

/// A message of a child about an event.
#[derive(Debug)]
pub(super) enum ChildMessage {
    /// The child has taken the event.
    Ack(EventRef),
    /// The child asks for the event again after that time.
    Retry(EventRef, Duration),
    /// The child is at work on the event, for that time or the usual one.
    Working(EventRef, Option<Duration>),
    /// The child refuses the event permanently, for this cause.
    Reject(EventRef, Excerpt),
    /// An action to take, such as a reply.
    Act(Box<RawAction>),
}

/// A reference to an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventRef {
    id: String,
    /// Needed if two accounts receive the same post, which then has the same id.
    source: Option<String>,
}

/// A line as JSON: exactly one of the first five members, and the members that belong to it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLine {
    ack: Option<String>,
    retry: Option<String>,
    reject: Option<String>,
    working: Option<String>,
    reply: Option<Box<RawAction>>,
    source: Option<String>,
    after: Option<String>,
    r#for: Option<String>,
    cause: Option<String>,
}

impl ChildMessage {
    /// Parses a line.
    ///
    /// # Errors
    /// A description of the problem, with the expected format.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let malformed = |error: serde_json::Error| {
            format!("the line is not an answer ({}); {FORMAT_HINT}", Excerpt::of(&error))
        };
        // Most lines are no action, and are read without the way over a map.
        if line.contains("\"action\"") {
            let members: Map<String, Value> = serde_json::from_str(line).map_err(malformed)?;
            if members.contains_key("action") {
                return serde_json::from_value(Value::Object(members)).map(Self::Act).map_err(malformed);
            }
        }
        let raw: RawLine = serde_json::from_str(line).map_err(malformed)?;
        let source = raw.source;
        let event_ref = |id| EventRef { id, source };
        match (raw.ack, raw.retry, raw.reject, raw.working, raw.reply) {
            (Some(id), None, None, None, None) => Ok(Self::Ack(event_ref(id))),
            (None, Some(id), None, None, None) => Ok(Self::Retry(event_ref(id), retry_delay(raw.after)?)),
            (None, None, Some(id), None, None) => {
                let cause = raw.cause.map_or_else(|| "the handler gave no cause".into(), Excerpt::from);
                Ok(Self::Reject(event_ref(id), cause))
            }
            (None, None, None, Some(id), None) => Ok(Self::Working(event_ref(id), work_time(raw.r#for)?)),
            (None, None, None, None, Some(reply)) => Ok(Self::Act(reply)),
            _ => Err(format!(
                "the line must have exactly one of \"ack\", \"retry\", \"reject\", \"working\" and \"reply\"; {FORMAT_HINT}"
            )),
        }
    }
}

const FORMAT_HINT: &str = r#"write one of {"ack": ID}, {"retry": ID, "after": "5s"}, {"reject": ID, "cause": "…"}, {"working": ID, "for": "5m"}, {"reply": {"to": ID, …}}, {"action": NAME, "to": ID, …}"#;

fn retry_delay(text: Option<String>) -> Result<Duration, String> {
    let Some(text) = text else { return Ok(DEFAULT_RETRY) };
    humantime::parse_duration(&text)
        .map_err(|_| "\"after\" is not a duration; write one such as \"5s\"".into())
}

/// Returns the time for which a child is at work.
fn work_time(text: Option<String>) -> Result<Option<Duration>, String> {
    let Some(text) = text else { return Ok(None) };
    match humantime::parse_duration(&text) {
        Ok(time) if time <= MAX_WORK_TIME => Ok(Some(time)),
        Ok(_) => {
            let limit = humantime::format_duration(MAX_WORK_TIME);
            Err(format!("\"for\" is more than {limit}; write the line again before the time is over"))
        }
        Err(_) => Err("\"for\" is not a duration; write one such as \"5m\"".into()),
    }
}

impl EventRef {
    /// Returns true if the reference is to that event.
    pub(super) fn matches(&self, event: &Message) -> bool {
        *event.id == *self.id && self.source.as_ref().is_none_or(|source| *event.source == **source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_line_is_read() {
        let event_ref =
            |id: &str, source: Option<&str>| EventRef { id: id.into(), source: source.map(Into::into) };
        assert!(
            matches!(ChildMessage::parse(r#"{"ack":"1"}"#), Ok(ChildMessage::Ack(n)) if n == event_ref("1", None))
        );
        assert!(
            matches!(ChildMessage::parse(r#"{"ack":"1","source":"/a"}"#), Ok(ChildMessage::Ack(n)) if n == event_ref("1", Some("/a")))
        );
        let retry = ChildMessage::parse(r#"{"retry":"1","after":"5s"}"#);
        assert!(matches!(retry, Ok(ChildMessage::Retry(_, after)) if after == Duration::from_secs(5)));
        assert!(matches!(ChildMessage::parse(r#"{"retry":"1"}"#), Ok(ChildMessage::Retry(_, DEFAULT_RETRY))));
        assert!(
            matches!(ChildMessage::parse(r#"{"reject":"1","cause":"no"}"#), Ok(ChildMessage::Reject(_, cause)) if &*cause == "no")
        );
        assert!(matches!(
            ChildMessage::parse(r#"{"reply":{"to":"1","text":"hi"}}"#),
            Ok(ChildMessage::Act(_))
        ));
        let working = ChildMessage::parse(r#"{"working":"1","for":"5m"}"#);
        assert!(
            matches!(working, Ok(ChildMessage::Working(_, Some(time))) if time == Duration::from_secs(300))
        );
        assert!(matches!(ChildMessage::parse(r#"{"working":"1"}"#), Ok(ChildMessage::Working(_, None))));
        let typing = r#"{"action":"typing","to":"1"}"#;
        assert!(matches!(ChildMessage::parse(typing), Ok(ChildMessage::Act(_))));
        let quoted = r#"{"reject":"1","cause":"no \"action\""}"#;
        assert!(matches!(ChildMessage::parse(quoted), Ok(ChildMessage::Reject(..))));
    }

    #[test]
    fn invalid_lines_are_reported_with_the_expected_form() {
        for bad in [
            "",
            "hello",
            "[]",
            "{}",
            r#"{"ack":1}"#,
            r#"{"ack":"1","retry":"1"}"#,
            r#"{"akc":"1"}"#,
            r#"{"action":"destroy"}"#,
            r#"{"action":"typing","to":1}"#,
            r#"{"action":"typing","id":""}"#,
        ] {
            let error = ChildMessage::parse(bad).unwrap_err();
            assert!(error.contains(r#"write one of {"ack": ID}"#), "{error}");
        }
        let error = ChildMessage::parse(r#"{"action":"post","txt":"hi"}"#).unwrap_err();
        assert!(error.contains("unknown field `txt`"), "{error}");
        for (line, name) in [
            (r#"{"reply":{"to":"1","txt":"hi"}}"#, "txt"),
            (r#"{"reply":{"to":"1","text":"hi","key":"k"}}"#, "key"),
            (r#"{"reply":{"status":"ok"}}"#, "status"),
            (r#"{"reply":{"to":"1","text":"hi"},"id":"2"}"#, "id"),
        ] {
            let error = ChildMessage::parse(line).unwrap_err();
            assert!(error.contains(&format!("unknown field `{name}`")), "{line}: {error}");
        }
        let endless = ChildMessage::parse(r#"{"working":"1","for":"2h"}"#).unwrap_err();
        assert!(endless.contains("more than 1h"), "{endless}");
        assert!(
            ChildMessage::parse(r#"{"retry":"1","after":"soon"}"#).unwrap_err().contains("write one such as")
        );
    }
}
