//! The target of the fuzzer that writes lines as a child.

#![expect(clippy::missing_panics_doc, reason = "a failed check is what a fuzzer looks for")]

use std::sync::Arc;

use super::protocol::ChildMessage;
use crate::sinks::message::Message;

/// The longest description of a line that cannot be used, in characters: an excerpt and the expected form.
const MAX_PROBLEM_CHARS: usize = 500;

/// Reads the lines of a child that has one event, and posts its replies to it.
pub fn exec_lines(output: &[u8]) {
    let event = Message::parse(super::super::fuzzing::EVENT).unwrap_or_else(|| unreachable!());
    let sink = Arc::from("fuzzed");
    for line in String::from_utf8_lossy(output).lines() {
        match ChildMessage::parse(line) {
            Ok(ChildMessage::Ack(event_ref) | ChildMessage::Retry(event_ref, _)) => {
                assert!(!event_ref.matches(&event) || line.contains("p1") || line.contains("\\u"));
            }
            Ok(ChildMessage::Reject(_, cause)) => check(&cause),
            Ok(ChildMessage::Reply(raw)) => {
                let index = raw.event_index(&[&event]).and_then(|_| raw.into_reply(&event, &sink, 0));
                match index {
                    Ok(Some(reply)) => {
                        assert_eq!((&reply.channel, &reply.account), (&event.channel, &event.account));
                        assert!(reply.into_action().is_ok());
                    }
                    Ok(None) => {}
                    Err(error) => check(&error.describe(&event.id)),
                }
            }
            Err(problem) => check(&problem),
        }
    }
}

fn check(shown: &str) {
    assert!(shown.chars().count() <= MAX_PROBLEM_CHARS && !shown.contains(char::is_control), "{shown:?}");
}

/// Returns lines as children write them.
pub fn exec_line_seeds() -> Vec<Vec<u8>> {
    let lines = [
        r#"{"ack":"p1"}"#,
        r#"{"ack":"p1","source":"/matterhost/main/helpdesk"}"#,
        r#"{"retry":"p1","after":"5s"}"#,
        r#"{"reject":"p1","cause":"no"}"#,
        r#"{"reply":{"to":"p1","text":"hi","in_thread":true,"props":{"a":[1,null,"b"]}}}"#,
        r#"{"reply":{"to":"p1","channel":"c1","response_type":"ephemeral","text":"psst"}}"#,
    ];
    lines.into_iter().map(Into::into).chain([lines.join("\n").into()]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::mutated::mutated;

    proptest! {
        #[test]
        fn changed_lines_are_read(output in mutated(super::exec_line_seeds())) {
            super::exec_lines(&output);
        }
    }
}
