//! The targets of the fuzzers in `tests/fuzz` that concern sinks.

#![expect(clippy::panic, reason = "a failed check is what a fuzzer looks for")]

use std::collections::BTreeMap;

use matterhost_actors::model::Event;
use serde_json::value::RawValue;

use super::{cloud_event, message::Message};

pub use super::{
    exec::fuzzing::{exec_line_seeds, exec_lines},
    webhook::fuzzing::{webhook_answer_seeds, webhook_answers},
};

/// The event that a handler answers.
pub(super) const EVENT: &str = r#"{"id":"p1","source":"/matterhost/main/helpdesk","account":"helpdesk","subject":"c1",
    "data":{"post":{"id":"p1","user_id":"ann","create_at":1795354128887}}}"#;

/// Encodes an event, and checks that the result is one line of JSON with all that a handler needs, and that it is read as it
/// was written.
pub fn event_line(event: &Event) {
    let line = cloud_event::encode_line(event);
    assert_eq!(line.find('\n'), Some(line.len() - 1), "one line: {line:?}");
    assert!(!line.contains(|c: char| c < ' ' && c != '\n' && c != '\t'), "{line:?}");
    // A number may be out of every type's range and still be JSON.
    let members: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    for member in ["specversion", "id", "source", "type", "time", "datacontenttype", "account"] {
        let text = members.get(member).and_then(|json| serde_json::from_str::<String>(json.get()).ok());
        assert!(text.is_some_and(|text| !text.is_empty()), "no {member}: {line}");
    }
    let written = Message::from_event(event);
    let read = Message::parse(&written.json).unwrap_or_else(|| panic!("not read: {line}"));
    assert_eq!(format!("{read:?}"), format!("{written:?}"));
}

#[cfg(test)]
mod tests {
    use matterhost_actors::{
        mattermost::{Incoming, parse_frame},
        model::EventBody,
    };
    use proptest::prelude::*;

    use crate::{mutated::mutated, seeds::recorded, sinks::tests::fixtures};

    proptest! {
        #[test]
        fn changed_events_are_encoded(frame in mutated(recorded("events"))) {
            let text = String::from_utf8_lossy(&frame);
            let Ok(Incoming::Event(envelope)) = parse_frame(&text) else { return Ok(()) };
            let event = fixtures::event("helpdesk", &envelope.event, "c1", "p1", envelope.data.get());
            let body = EventBody { broadcast: envelope.broadcast.get().into(), ..event.body };
            super::event_line(&super::Event { body, ..event });
        }
    }
}
