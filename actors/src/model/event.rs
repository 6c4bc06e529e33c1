//! An event on its way to a sink.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;

use super::{AccountName, ChannelId, Generation, PostId, ServerName, UserId};

/// An event of the server, as it is handed to a sink: the server's own words, untouched, and where they came
/// from.
#[derive(Debug, Clone)]
pub struct Event {
    /// The account that heard it.
    pub account: AccountName,
    /// The server that said it.
    pub server: ServerName,
    /// The account's own user, as it was when the Connection began.
    pub user: AccountUser,
    /// The generation of the Connection that heard it.
    pub generation: Generation,
    /// The id of the server's side of that connection.
    pub connection_id: Arc<str>,
    /// When it was heard.
    pub received_at: SystemTime,
    /// Whether it was fetched by the catch-up instead of heard live.
    pub recovered: bool,
    /// Whether it is about a post of the account's own.
    pub own: bool,
    /// What was said.
    pub body: EventBody,
}

/// The user that an account is on its server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountUser {
    /// Its id.
    pub id: UserId,
    /// The name after the @.
    pub name: Arc<str>,
}

/// What the server said: its envelope, taken apart once.
#[derive(Debug, Clone)]
pub struct EventBody {
    /// The event's name, such as `posted`.
    pub event: Box<str>,
    /// The channel it belongs to; empty when it belongs to none.
    pub channel_id: ChannelId,
    /// What it changes that can be fetched as well, and must not come twice.
    pub change: Option<Change>,
    /// Its place in the order of the connection (fact 14); 0 for what was fetched.
    pub seq: u64,
    /// The member `data` of the envelope, byte for byte.
    pub data: Box<str>,
    /// The member `broadcast` of the envelope, byte for byte.
    pub broadcast: Box<str>,
}

/// What an event changes in a channel, as far as it can be fetched later, too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change {
    /// A new post.
    Posted(PostKey),
    /// A post's text was edited.
    Edited {
        /// The post.
        id: PostId,
        /// When, in server milliseconds.
        edit_at: i64,
    },
    /// A post was deleted. When is not told live.
    Deleted {
        /// The post.
        id: PostId,
    },
    /// The account left the channel, or was removed from it.
    Left,
}

/// The member of `data` that holds a post, as JSON in a string (fact 13).
#[derive(Deserialize)]
struct PostData<'a> {
    #[serde(borrow)]
    post: Cow<'a, str>,
}

/// The members of a post that identify one version of it.
#[derive(Deserialize)]
struct UpdatedPost<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(default)]
    update_at: i64,
}

/// A post, as far as its place goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PostKey {
    /// When it was made, in server milliseconds.
    pub create_at: i64,
    /// Its id.
    pub id: PostId,
}

impl Event {
    /// Returns the id of the event, which is the same whether it was received live or fetched later, and in any
    /// generation. An event that cannot be fetched is named after its connection and its number there.
    pub fn id(&self) -> String {
        match &self.body.change {
            Some(Change::Posted(post)) => post.id.to_string(),
            Some(Change::Edited { id, edit_at }) => format!("{id}/edited/{edit_at}"),
            // A post is deleted once at most, and the live event does not carry the time.
            Some(Change::Deleted { id }) => format!("{id}/deleted"),
            Some(Change::Left) | None => {
                self.body.updated_post_id().unwrap_or_else(|| self.id_by_connection())
            }
        }
    }

    fn id_by_connection(&self) -> String {
        if !self.connection_id.is_empty() {
            return format!("{}/{}", self.connection_id, self.body.seq);
        }
        // A server without reliable WebSockets gives its connections no id, and each numbers its events from 0.
        let received = self.received_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{}/{}/{}", self.generation, received.as_millis(), self.body.seq)
    }
}

impl EventBody {
    /// Returns the id of a `post_edited` event that is not an edit of the text, such as a pin: the post's last edit
    /// time does not tell two of them apart, its update time does.
    fn updated_post_id(&self) -> Option<String> {
        if &*self.event != "post_edited" {
            return None;
        }
        let data: PostData<'_> = serde_json::from_str(&self.data).ok()?;
        let post: UpdatedPost<'_> = serde_json::from_str(&data.post).ok()?;
        Some(format!("{}/updated/{}", post.id, post.update_at))
    }

    /// The post that it brings, when it is a new one.
    pub fn post(&self) -> Option<&PostKey> {
        match &self.change {
            Some(Change::Posted(post)) => Some(post),
            Some(Change::Edited { .. } | Change::Deleted { .. } | Change::Left) | None => None,
        }
    }
}
