//! An event as handlers get it.

use std::borrow::Cow;

use matterhost_actors::model::{AccountName, ChannelId, Event, PostId, UserId};
use serde::Deserialize;

use super::cloud_event;

/// An event as handlers get it, with what a sink must know of it.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) account: AccountName,
    pub(super) channel: ChannelId,
    /// Its id, unique together with its source.
    pub(super) id: Box<str>,
    pub(super) source: Box<str>,
    /// The whole of it, as `CloudEvents` JSON on one line, without a newline.
    pub(super) json: Box<str>,
}

/// A channel of an account: what comes in order.
pub(super) type ChannelKey = (AccountName, ChannelId);

/// The attributes of an event.
#[derive(Default, Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    source: Cow<'a, str>,
    #[serde(borrow, default)]
    account: Cow<'a, str>,
    #[serde(borrow, default)]
    subject: Cow<'a, str>,
}

/// The post that an event is about, as far as a reply must know it.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct PostInfo {
    #[serde(default)]
    pub(super) id: Option<PostId>,
    #[serde(default)]
    pub(super) root_id: Option<PostId>,
    #[serde(default)]
    pub(super) user_id: Option<UserId>,
    #[serde(default)]
    pub(super) create_at: Option<i64>,
}

impl Message {
    /// An event, written.
    pub(super) fn from_event(event: &Event) -> Self {
        let mut json = cloud_event::encode_line(event);
        json.truncate(json.trim_end().len());
        let (id, source) = {
            let head: Head<'_> = serde_json::from_str(&json).unwrap_or_default();
            (head.id.as_ref().into(), head.source.as_ref().into())
        };
        let (account, channel) = (event.account.clone(), event.body.channel_id.clone());
        Self { account, channel, id, source, json: json.into() }
    }

    /// An event that was written before; `None` when the text is none.
    pub(super) fn parse(json: &str) -> Option<Self> {
        let head: Head<'_> = serde_json::from_str(json).ok()?;
        Some(Self {
            account: AccountName::new(&head.account).ok()?,
            channel: ChannelId::from(&*head.subject),
            id: head.id.as_ref().into(),
            source: head.source.as_ref().into(),
            json: json.into(),
        })
    }

    pub(super) fn channel_key(&self) -> ChannelKey {
        (self.account.clone(), self.channel.clone())
    }

    /// The post that it is about; nothing where there is none.
    pub(super) fn post_info(&self) -> PostInfo {
        #[derive(Deserialize)]
        struct Event {
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            #[serde(default)]
            post: Option<PostInfo>,
        }
        serde_json::from_str::<Event>(&self.json).ok().and_then(|event| event.data.post).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::fixtures::post, *};

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
    fn the_post_is_told_where_there_is_one() {
        let about = Message::from_event(&post("c1", "p1")).post_info();
        assert_eq!(about.id.unwrap().as_str(), "p1");
        assert_eq!(about.user_id.unwrap().as_str(), "ann");
        assert_eq!(Message::parse(r#"{"account":"a","data":[]}"#).unwrap().post_info(), PostInfo::default());
    }
}
