//! The target of the fuzzer that writes lines as a child.

#![expect(clippy::missing_panics_doc, reason = "a failed check is what a fuzzer looks for")]

use std::sync::Arc;

use matterhost_actors::model::{OutgoingAction, ReplyKey};

use super::protocol::ChildMessage;
use crate::{
    actions::Work,
    sinks::{message::Message, reply::HandlerAction},
};

/// The longest description of a line that cannot be used, in characters: an excerpt and the expected form.
const MAX_PROBLEM_CHARS: usize = 500;

/// Reads the lines of a child that has one event, and posts its replies to it.
pub fn exec_lines(output: &[u8]) {
    let event = Message::parse(super::super::fuzzing::EVENT).unwrap_or_else(|| unreachable!());
    let sink = Arc::from("fuzzed");
    for line in String::from_utf8_lossy(output).lines() {
        match ChildMessage::parse(line) {
            Ok(
                ChildMessage::Ack(event_ref)
                | ChildMessage::Retry(event_ref, _)
                | ChildMessage::Working(event_ref, _),
            ) => {
                assert!(!event_ref.matches(&event) || line.contains("p1") || line.contains("\\u"));
            }
            Ok(ChildMessage::Reject(_, cause)) => check(&cause),
            Ok(ChildMessage::Act(raw)) => {
                let answered = event.answered(&sink);
                match raw.event_index(&[&event]).and_then(|_| raw.into_action(answered, 0, None)) {
                    Ok(Some(action)) => check_action(&event, &action),
                    Ok(None) => {}
                    Err(error) => check(&error.describe(&event.id)),
                }
            }
            Err(problem) => check(&problem),
        }
    }
}

/// Checks that an action without a channel of its own goes to the event's.
fn check_action(event: &Message, action: &HandlerAction) {
    assert_eq!((&action.event.channel, &action.event.account), (&event.channel, &event.account));
    if let Work::Act(OutgoingAction::Post(draft)) = &action.action.work {
        assert!(draft.key.as_ref().is_some_and(ReplyKey::is_answer));
        assert!(action.action.target.is_some() || !draft.channel.as_str().is_empty());
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
        r#"{"working":"p1","for":"5m"}"#,
        r#"{"reject":"p1","cause":"no"}"#,
        r#"{"reply":{"to":"p1","text":"hi","in_thread":true,"props":{"a":[1,null,"b"]}}}"#,
        r#"{"reply":{"to":"p1","channel":"c1","response_type":"ephemeral","text":"psst"}}"#,
        r#"{"action":"post","to":"p1","id":"1","target":"staff/town-square","text":"hi","key":"k"}"#,
        r#"{"action":"react","to":"p1","emoji":"+1"}"#,
        r#"{"action":"get_posts","to":"p1","count":3}"#,
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
