//! The lines that a child writes.

use std::time::Duration;

use matterhost_actors::model::Excerpt;
use serde::Deserialize;

use crate::sinks::{message::Message, reply::RawReply};

/// When a child wants an event again and does not say when.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What a child says of an event.
#[derive(Debug)]
pub(super) enum ChildMessage {
    /// It has it.
    Ack(EventRef),
    /// Not now.
    Retry(EventRef, Duration),
    /// Never.
    Reject(EventRef, Excerpt),
    /// A reply to it.
    Reply(Box<RawReply>),
}

/// The event that is meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventRef {
    id: String,
    /// Where two accounts hear the same post, its id alone may mean either.
    source: Option<String>,
}

/// A line as it is written: one of the first four, and what belongs to it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    ack: Option<String>,
    retry: Option<String>,
    reject: Option<String>,
    reply: Option<Box<RawReply>>,
    source: Option<String>,
    after: Option<String>,
    cause: Option<String>,
}

impl ChildMessage {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, and how it is written.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let written: Written = serde_json::from_str(line)
            .map_err(|error| format!("the line is no answer ({}); {LIKE}", Excerpt::of(&error)))?;
        let source = written.source;
        let named = |id| EventRef { id, source };
        match (written.ack, written.retry, written.reject, written.reply) {
            (Some(id), None, None, None) => Ok(Self::Ack(named(id))),
            (None, Some(id), None, None) => Ok(Self::Retry(named(id), after(written.after)?)),
            (None, None, Some(id), None) => {
                let cause = written.cause.map_or_else(|| "the handler gave no cause".into(), Excerpt::from);
                Ok(Self::Reject(named(id), cause))
            }
            (None, None, None, Some(reply)) => Ok(Self::Reply(reply)),
            _ => Err(format!("the line says none or several things; {LIKE}")),
        }
    }
}

const LIKE: &str = r#"write one of {"ack": ID}, {"retry": ID, "after": "5s"}, {"reject": ID, "cause": "…"}, {"reply": {"to": ID, …}}"#;

fn after(text: Option<String>) -> Result<Duration, String> {
    let Some(text) = text else { return Ok(AGAIN_AFTER) };
    humantime::parse_duration(&text).map_err(|_| "\"after\" is no time; write one such as \"5s\"".into())
}

impl EventRef {
    /// Whether that event is meant.
    pub(super) fn matches(&self, event: &Message) -> bool {
        *event.id == *self.id && self.source.as_ref().is_none_or(|source| *event.source == **source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_line_is_read() {
        let named =
            |id: &str, source: Option<&str>| EventRef { id: id.into(), source: source.map(Into::into) };
        assert!(
            matches!(ChildMessage::parse(r#"{"ack":"1"}"#), Ok(ChildMessage::Ack(n)) if n == named("1", None))
        );
        assert!(
            matches!(ChildMessage::parse(r#"{"ack":"1","source":"/a"}"#), Ok(ChildMessage::Ack(n)) if n == named("1", Some("/a")))
        );
        let retry = ChildMessage::parse(r#"{"retry":"1","after":"5s"}"#);
        assert!(matches!(retry, Ok(ChildMessage::Retry(_, after)) if after == Duration::from_secs(5)));
        assert!(matches!(ChildMessage::parse(r#"{"retry":"1"}"#), Ok(ChildMessage::Retry(_, AGAIN_AFTER))));
        assert!(
            matches!(ChildMessage::parse(r#"{"reject":"1","cause":"no"}"#), Ok(ChildMessage::Reject(_, cause)) if &*cause == "no")
        );
        assert!(matches!(
            ChildMessage::parse(r#"{"reply":{"to":"1","text":"hi"}}"#),
            Ok(ChildMessage::Reply(_))
        ));
    }

    #[test]
    fn other_lines_are_told_with_how_they_are_written() {
        for bad in ["", "hello", "[]", "{}", r#"{"ack":1}"#, r#"{"ack":"1","retry":"1"}"#, r#"{"akc":"1"}"#] {
            let told = ChildMessage::parse(bad).unwrap_err();
            assert!(told.contains(r#"write one of {"ack": ID}"#), "{told}");
        }
        assert!(
            ChildMessage::parse(r#"{"retry":"1","after":"soon"}"#).unwrap_err().contains("write one such as")
        );
    }
}
