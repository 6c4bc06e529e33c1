//! The target of the fuzzer that sends events as a server.

#![expect(clippy::missing_panics_doc, reason = "a failed check is what a fuzzer looks for")]

use std::time::{Duration, UNIX_EPOCH};

use super::{post_change, repeated_posts::ReadPost};
use crate::{
    mattermost::{EventEnvelope, Incoming, fuzzing, parse_frame, read_posted},
    model::{AccountName, AccountUser, Event, Generation, MAX_EXCERPT_CHARS, ServerName, UserId},
};

/// The time at which the event is received, in Unix milliseconds.
const RECEIVED_AT_MS: u64 = 1_795_354_128_887;

/// Reads a frame as a Connection does, and returns its event if it has one.
pub fn event(frame: &str) -> Option<Event> {
    let event = parsed(frame);
    if let Some(posted) = read_posted(frame) {
        let body = event.as_ref().map(|event| format!("{:?}", event.body));
        assert_eq!(
            body,
            Some(format!("{:?}", ReadPost::from(posted).body)),
            "one pass finds what the parser finds"
        );
    }
    event
}

fn parsed(frame: &str) -> Option<Event> {
    match parse_frame(frame) {
        Ok(Incoming::Event(envelope)) => received(&envelope),
        Ok(Incoming::Reply(_)) => None,
        Err(error) => {
            let shown = error.to_string();
            assert!(
                shown.chars().count() <= MAX_EXCERPT_CHARS && !shown.contains(char::is_control),
                "{shown}"
            );
            None
        }
    }
}

fn received(envelope: &EventEnvelope<'_>) -> Option<Event> {
    if let Ok(updated) = envelope.user_updated() {
        assert!(crate::model::check_id(updated.id.as_str()).is_ok());
    }
    let connection_id = envelope.hello().ok().and_then(|hello| hello.connection_id).unwrap_or_default();
    let me = UserId::from("me");
    let change = post_change::parse_post_change(envelope, Some(&me));
    if let Ok(posted) = envelope.posted() {
        fuzzing::post(&posted.post);
    }
    Some(Event {
        account: AccountName::new("helpdesk").ok()?,
        server: ServerName::new("main").ok()?,
        user: AccountUser { id: me, name: "helper".into(), ..AccountUser::default() },
        channel: None,
        sender: None,
        generation: Generation(1),
        connection_id: connection_id.into(),
        received_at: UNIX_EPOCH + Duration::from_millis(RECEIVED_AT_MS),
        recovered: false,
        last_recovered: false,
        own: change.own,
        body: change.into_body(envelope),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::mattermost::fuzzing::{mutated::mutated, seeds::recorded};

    proptest! {
        #[test]
        fn changed_frames_are_events_or_errors(frame in mutated(recorded("events"))) {
            let _ = super::event(&String::from_utf8_lossy(&frame));
        }
    }
}
