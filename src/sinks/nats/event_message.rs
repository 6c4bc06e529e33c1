//! An event as a message of NATS: its subject and its headers.
//!
//! The message follows the binding of `CloudEvents` to NATS in its structured mode: the payload is the event's JSON, and the
//! attributes are headers as well, so that a consumer can choose without parsing.

use std::borrow::Cow;

use async_nats::HeaderMap;
use serde::Deserialize;

use crate::{
    nats::{percent_encoded, subject_token},
    sinks::{cloud_event::TYPE_PREFIX, message::Message},
};

/// The header by which a stream recognizes a message that it has.
const MESSAGE_ID: &str = "Nats-Msg-Id";
/// The header by which only the named stream takes the message.
const EXPECTED_STREAM: &str = "Nats-Expected-Stream";
/// The media type of the payload.
const MEDIA_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// The attributes that become headers and are not known otherwise.
#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(borrow, default)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    time: Cow<'a, str>,
}

/// The parts of a message beside its payload.
#[derive(Debug)]
pub(super) struct EventMessage {
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
}

impl EventMessage {
    /// Returns the message of an event for a stream. `prefix` is the beginning of its subject.
    pub(super) fn of(event: &Message, prefix: &str, stream: &str) -> Self {
        let unreadable = |_| Attributes { r#type: Cow::default(), time: Cow::default() };
        let attributes: Attributes<'_> = serde_json::from_str(&event.json).unwrap_or_else(unreadable);
        let (account, channel) =
            (subject_token(event.account.as_str()), subject_token(event.channel.as_str()));
        let name = subject_token(attributes.r#type.strip_prefix(TYPE_PREFIX).unwrap_or(&attributes.r#type));
        let subject = format!("{prefix}.{account}.{channel}.{name}");
        let mut headers = HeaderMap::new();
        headers.insert(MESSAGE_ID, message_id(event));
        headers.insert(EXPECTED_STREAM, stream);
        headers.insert("content-type", MEDIA_TYPE);
        let attributes = [
            ("ce-specversion", "1.0"),
            ("ce-id", &*event.id),
            ("ce-source", &*event.source),
            ("ce-type", &*attributes.r#type),
            ("ce-time", &*attributes.time),
            ("ce-subject", event.channel.as_str()),
            ("ce-account", event.account.as_str()),
        ];
        for (name, value) in attributes.into_iter().filter(|(_, value)| !value.is_empty()) {
            headers.insert(name, percent_encoded(value, is_header_character));
        }
        Self { subject, headers }
    }
}

/// Returns the id by which a stream recognizes an event. Two accounts may receive the same post, with the same id.
fn message_id(event: &Message) -> String {
    percent_encoded(&format!("{}/{}", event.source, event.id), is_header_character)
}

/// Returns true for the characters that the binding leaves as they are.
fn is_header_character(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::MAX_TOKEN_BYTES;
    use crate::sinks::tests::fixtures::{event, post, post_of};

    fn message(event: &Message) -> EventMessage {
        EventMessage::of(event, "matterhost.events", "s")
    }

    #[test]
    fn the_subject_names_account_channel_and_kind() {
        let of = |event: &Message| message(event).subject;
        assert_eq!(of(&Message::from_event(&post("c1", "p1"))), "matterhost.events.helpdesk.c1.posted");
        let named = Message::from_event(&post_of("help.desk-ä", "c1", "p1"));
        assert_eq!(of(&named), "matterhost.events.help%2Edesk-%C3%A4.c1.posted");
        let odd = Message::from_event(&event("a", "user_updated > *", "", "p1", "{}"));
        assert_eq!(of(&odd), "matterhost.events.a.-.user_updated%20%3E%20%2A");
        let long = Message::from_event(&event("a", &"x".repeat(5_000), "", "p1", "{}"));
        assert_eq!(of(&long).len(), "matterhost.events.a.-.".len() + MAX_TOKEN_BYTES);
    }

    #[test]
    fn the_headers_are_those_of_the_binding() {
        let EventMessage { headers, .. } = message(&Message::from_event(&post("c1", "p1")));
        let header = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
        for (name, value) in [
            ("content-type", MEDIA_TYPE),
            ("ce-specversion", "1.0"),
            ("ce-id", "p1"),
            ("ce-source", "/matterhost/main/helpdesk"),
            ("ce-type", "com.mattermost.posted"),
            ("ce-subject", "c1"),
            ("ce-account", "helpdesk"),
            ("Nats-Msg-Id", "/matterhost/main/helpdesk/p1"),
            ("Nats-Expected-Stream", "s"),
        ] {
            assert_eq!(header(name).as_deref(), Some(value), "{name}");
        }
        assert!(header("ce-time").unwrap().starts_with("20"));
    }

    #[test]
    fn the_same_post_of_two_accounts_is_two_messages() {
        let of = |account| message_id(&Message::from_event(&post_of(account, "c1", "p1")));
        assert_ne!(of("a"), of("b"));
    }

    #[test]
    fn no_value_can_end_its_header() {
        let odd = event("a", "x\r\nEvil: 1", "c\u{e4}", "p1", "{}");
        let EventMessage { headers, .. } = message(&Message::from_event(&odd));
        assert_eq!(headers.get("ce-type").unwrap().as_str(), "com.mattermost.x%0D%0AEvil:%201");
        assert_eq!(headers.get("ce-subject").unwrap().as_str(), "c%C3%A4");
    }
}
