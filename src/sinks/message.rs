//! An event as handlers receive it.

use std::{borrow::Cow, sync::Arc};

use matterhost_actors::model::{AccountName, ChannelId, Event};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{
    cloud_event::{self, EncodedEvent, TYPE_PREFIX},
    event_data::{EventData, PostHead, object},
    hook_events::is_hook,
};
use crate::actions::{AnsweredEvent, ThreadPlace};

/// The type of an event in a dead letter of which only a later answer to it is known.
const ANSWERED_TYPE: &str = "com.matterhost.answered_event";

/// An event as handlers receive it, with the parts of it that sinks and replies need.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) account: AccountName,
    pub(super) channel: ChannelId,
    /// Unique together with `source`.
    pub(super) id: Box<str>,
    pub(super) source: Box<str>,
    /// The post that a reply answers; all its fields are `None` if there is none.
    pub(super) post: PostHead,
    /// True if the account itself caused the event.
    pub(super) own: bool,
    /// True for a slash command, button, menu or dialog.
    pub(super) is_hook: bool,
    pub(super) course: Course,
    /// The whole event as `CloudEvents` JSON on one line, without a newline.
    pub(super) json: Box<str>,
}

/// The way of an event through a sink with a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It waits for a slot, and comes again until it is answered or given up.
    InTurn,
    /// A person waits for it: it goes past the others to a place of its own, and is tried once.
    Urgent,
    /// It went past the others, and the handler has taken it for later: it comes again, then in turn.
    TakenForLater,
}

/// A channel of an account: the unit within which events are kept in order. A slash command, button, menu or dialog is a unit of
/// its own, because it waits for no other.
pub(super) type ChannelKey = (AccountName, ChannelId);

/// The attributes of an encoded event.
#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    source: Cow<'a, str>,
    #[serde(borrow, default)]
    account: Cow<'a, str>,
    #[serde(borrow, default)]
    subject: Cow<'a, str>,
    #[serde(default)]
    own: bool,
    #[serde(borrow, default)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl Message {
    /// Encodes an event.
    pub(super) fn from_event(event: &Event) -> Self {
        let EncodedEvent { mut line, id, source, post } = cloud_event::encode(event);
        line.truncate(line.trim_end().len());
        let (account, channel) = (event.account.clone(), event.body.channel_id.clone());
        let (id, source, own) = (id.into(), source.into(), event.own);
        let is_hook = is_hook(&event.body.event);
        let course = if is_hook { Course::Urgent } else { Course::InTurn };
        Self { account, channel, id, source, post, own, is_hook, course, json: line.into() }
    }

    /// Reads an event that was encoded before; `None` if the text is not one.
    pub(super) fn parse(json: &str) -> Option<Self> {
        let attributes: Attributes<'_> = serde_json::from_str(json).ok()?;
        let is_hook = attributes.r#type.strip_prefix(TYPE_PREFIX).is_some_and(is_hook);
        let post = attributes
            .data
            .and_then(|data| if is_hook { object(data).map(PostHead::of_hook) } else { post_in(data) });
        Some(Self {
            account: AccountName::new(&attributes.account).ok()?,
            channel: ChannelId::from(&*attributes.subject),
            id: attributes.id.as_ref().into(),
            source: attributes.source.as_ref().into(),
            post: post.unwrap_or_default(),
            own: attributes.own,
            is_hook,
            // An event of a dead letter takes its turn.
            course: Course::InTurn,
            json: json.into(),
        })
    }

    /// Returns an event of which only that is known which a later answer states, for the dead letter of the answer.
    pub(super) fn of_answered(event: &AnsweredEvent) -> Self {
        let source = format!("/matterhost/{}", event.account);
        let post = PostHead {
            id: event.post.clone(),
            root_id: event.thread.root.clone().or_else(|| event.thread.post.clone()),
            user_id: event.author.clone(),
            create_at: event.create_at,
            ..PostHead::default()
        };
        let known = json!({
            "specversion": "1.0",
            "id": event.id,
            "source": source,
            "type": ANSWERED_TYPE,
            "subject": event.channel,
            "account": event.account.as_str(),
            "data": { "post": { "id": post.id, "root_id": post.root_id, "user_id": post.user_id, "create_at": post.create_at } },
        });
        Self {
            account: event.account.clone(),
            channel: event.channel.clone(),
            id: event.id.clone(),
            source: source.into(),
            post,
            own: false,
            is_hook: event.is_hook,
            course: Course::InTurn,
            json: known.to_string().into(),
        }
    }

    /// Returns the event as an action of a sink's handler answers it.
    pub(super) fn answered(&self, sink: &Arc<str>) -> AnsweredEvent {
        let post = &self.post;
        let root =
            post.root_id.as_ref().filter(|root| !root.as_str().is_empty()).or(post.id.as_ref()).cloned();
        let thread = if post.may_be_reply {
            ThreadPlace { root: None, post: root }
        } else {
            ThreadPlace { root, post: None }
        };
        AnsweredEvent {
            account: self.account.clone(),
            sink: Arc::clone(sink),
            id: self.id.clone(),
            channel: self.channel.clone(),
            post: post.id.clone(),
            thread,
            author: post.user_id.clone(),
            is_hook: self.is_hook,
            trigger: post.trigger.clone(),
            create_at: post.create_at,
        }
    }

    /// True if both are the same event of the same account.
    pub(super) fn is_same_event(&self, other: &Self) -> bool {
        self.id == other.id && self.source == other.source
    }

    pub(super) fn channel_key(&self) -> ChannelKey {
        let channel = if self.is_hook { ChannelId::from(&*self.id) } else { self.channel.clone() };
        (self.account.clone(), channel)
    }
}

/// Returns the post that a reply answers, from an encoded event's `data`, where it is an object instead of a string.
fn post_in(data: &RawValue) -> Option<PostHead> {
    let data = EventData::parse(data.get())?;
    Some(PostHead::answered(data.post.and_then(object), || object(data.reaction?)))
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::fixtures::{event, post},
        *,
    };

    #[test]
    fn an_event_is_read_as_it_was_written() {
        let message = Message::from_event(&post("c1", "p1"));
        assert_eq!((&*message.id, &*message.source), ("p1", "/matterhost/main/helpdesk"));
        assert!(message.json.starts_with('{') && message.json.ends_with('}'));
        let again = Message::parse(&message.json).unwrap();
        assert_eq!(format!("{again:?}"), format!("{message:?}"));
        assert!(Message::parse("{}").is_none() && Message::parse("x").is_none());
    }

    #[test]
    fn a_reply_to_a_reaction_answers_the_post_and_the_user_who_reacted() {
        let reaction = r#"{"user_id":"ann","post_id":"p1","emoji_name":"eyes","create_at":1795354129951}"#;
        let data = serde_json::json!({ "reaction": reaction }).to_string();
        for name in ["reaction_added", "reaction_removed"] {
            let message = Message::from_event(&event("helpdesk", name, "c1", "p1", &data));
            let again = Message::parse(&message.json).unwrap();
            for PostHead { id, user_id, create_at, .. } in [message.post, again.post] {
                assert_eq!((id.unwrap().as_str(), user_id.unwrap().as_str()), ("p1", "ann"));
                assert_eq!(create_at, Some(1_795_354_129_951));
            }
        }
    }

    #[test]
    fn the_posts_head_is_read_if_there_is_a_post() {
        let post = Message::from_event(&post("c1", "p1")).post;
        assert_eq!(post.id.unwrap().as_str(), "p1");
        assert_eq!(post.user_id.unwrap().as_str(), "ann");
        assert_eq!(Message::parse(r#"{"account":"a","data":[]}"#).unwrap().post, PostHead::default());
    }
}
