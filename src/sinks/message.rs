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
pub(super) type Lane = (AccountName, ChannelId);

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
pub(super) struct About {
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
    pub(super) fn of(event: &Event) -> Self {
        let mut json = cloud_event::line(event);
        json.truncate(json.trim_end().len());
        let (id, source) = {
            let head: Head<'_> = serde_json::from_str(&json).unwrap_or_default();
            (head.id.as_ref().into(), head.source.as_ref().into())
        };
        let (account, channel) = (event.account.clone(), event.body.channel_id.clone());
        Self { account, channel, id, source, json: json.into() }
    }

    /// An event that was written before; `None` when the text is none.
    pub(super) fn read(json: &str) -> Option<Self> {
        let head: Head<'_> = serde_json::from_str(json).ok()?;
        Some(Self {
            account: AccountName::new(&head.account).ok()?,
            channel: ChannelId::from(&*head.subject),
            id: head.id.as_ref().into(),
            source: head.source.as_ref().into(),
            json: json.into(),
        })
    }

    pub(super) fn lane(&self) -> Lane {
        (self.account.clone(), self.channel.clone())
    }

    /// The post that it is about; nothing where there is none.
    pub(super) fn about(&self) -> About {
        #[derive(Deserialize)]
        struct Event {
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            #[serde(default)]
            post: Option<About>,
        }
        serde_json::from_str::<Event>(&self.json).ok().and_then(|event| event.data.post).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::stage::post, *};

    #[test]
    fn an_event_is_read_as_it_was_written() {
        let message = Message::of(&post("c1", "p1"));
        assert_eq!((&*message.id, &*message.source), ("p1", "/matterhost/main/helpdesk"));
        assert!(message.json.starts_with('{') && message.json.ends_with('}'));
        let again = Message::read(&message.json).unwrap();
        assert_eq!(format!("{again:?}"), format!("{message:?}"));
        assert!(Message::read("{}").is_none() && Message::read("x").is_none());
    }

    #[test]
    fn the_post_is_told_where_there_is_one() {
        let about = Message::of(&post("c1", "p1")).about();
        assert_eq!(about.id.unwrap().as_str(), "p1");
        assert_eq!(about.user_id.unwrap().as_str(), "ann");
        assert_eq!(Message::read(r#"{"account":"a","data":[]}"#).unwrap().about(), About::default());
    }
}
