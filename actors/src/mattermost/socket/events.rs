//! The content of the few events that matterhost itself must understand.

use std::borrow::Cow;

use serde::Deserialize;

use crate::mattermost::EventEnvelope;
use crate::model::{ChannelId, EventBody, UserId};

/// `hello`: the server took the token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hello {
    /// What this connection is resumed by (fact 10). Missing where reliable WebSockets are off.
    #[serde(default)]
    pub connection_id: Option<Box<str>>,
    /// The server's version, with its build and licence behind it.
    #[serde(default)]
    pub server_version: Box<str>,
    /// Which server of a cluster this is. Newer servers only.
    #[serde(default)]
    pub server_hostname: Option<Box<str>>,
}

/// `user_updated`: somebody's account was touched, seen by everyone but itself (fact 6).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UserUpdated {
    /// Whose.
    pub id: UserId,
    /// Its new `update_at`, in milliseconds of server time.
    pub update_at: i64,
}

/// `posted`: the post in it is a JSON text inside JSON (fact 13).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PostedEvent<'a> {
    /// The post's own JSON text.
    #[serde(borrow)]
    pub post: Cow<'a, str>,
}

/// What of a post matters for its order and its place.
///
/// All times are milliseconds of server time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PostHead<'a> {
    /// The post.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// When it was made. Events do not come in this order (fact 23).
    pub create_at: i64,
    /// When it was last touched; a reply or a reaction moves it too (fact 25).
    #[serde(default)]
    pub update_at: i64,
    /// When its text was last edited, or 0.
    #[serde(default)]
    pub edit_at: i64,
    /// When it was deleted, or 0.
    #[serde(default)]
    pub delete_at: i64,
    /// Who made it.
    #[serde(borrow)]
    pub user_id: Cow<'a, str>,
    /// Where it is.
    #[serde(borrow)]
    pub channel_id: Cow<'a, str>,
    /// The beginning of its thread; empty where it is none's reply.
    #[serde(borrow, default)]
    pub root_id: Cow<'a, str>,
    /// On a row of a post's history the post itself; empty on a post (fact 25).
    #[serde(borrow, default)]
    pub original_id: Cow<'a, str>,
    /// Empty for what a person or a bot wrote, `system_…` for what the server did (fact 18).
    #[serde(borrow, default, rename = "type")]
    pub kind: Cow<'a, str>,
}

impl EventEnvelope<'_> {
    /// The channel that the event was sent to; empty when it was sent to users or teams.
    pub fn channel_id(&self) -> ChannelId {
        #[derive(Deserialize)]
        struct Broadcast<'a> {
            #[serde(borrow, default)]
            channel_id: Cow<'a, str>,
        }
        let read = serde_json::from_str::<Broadcast<'_>>(self.broadcast.get());
        read.map_or_else(|_| ChannelId::default(), |to| ChannelId::from(to.channel_id.as_ref()))
    }

    /// The content of `hello`.
    ///
    /// # Errors
    ///
    /// When `data` is of another kind.
    pub fn hello(&self) -> serde_json::Result<Hello> {
        serde_json::from_str(self.data.get())
    }

    /// The content of `user_updated`.
    ///
    /// # Errors
    ///
    /// When `data` is of another kind.
    pub fn user_updated(&self) -> serde_json::Result<UserUpdated> {
        #[derive(Deserialize)]
        struct Data {
            user: UserUpdated,
        }
        serde_json::from_str::<Data>(self.data.get()).map(|data| data.user)
    }
}

impl<'a> EventEnvelope<'a> {
    /// The content of `posted`, `post_edited` and `post_deleted`.
    ///
    /// # Errors
    ///
    /// When `data` is of another kind.
    pub fn posted(&self) -> serde_json::Result<PostedEvent<'a>> {
        serde_json::from_str(self.data.get())
    }
}

/// Who made the post that an event is about.
pub fn post_author(body: &EventBody) -> Option<UserId> {
    let posted: PostedEvent<'_> = serde_json::from_str(&body.data).ok()?;
    posted.head().ok().map(|head| UserId::from(&*head.user_id))
}

impl PostedEvent<'_> {
    /// Reads the head of the post.
    ///
    /// # Errors
    ///
    /// When the text inside is no post.
    pub fn head(&self) -> serde_json::Result<PostHead<'_>> {
        serde_json::from_str(&self.post)
    }
}
