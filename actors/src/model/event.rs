//! An event on its way to a sink.

use std::{sync::Arc, time::SystemTime};

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

/// A post, as far as its place goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PostKey {
    /// When it was made, in server milliseconds.
    pub create_at: i64,
    /// Its id.
    pub id: PostId,
}

impl EventBody {
    /// The post that it brings, when it is a new one.
    pub fn post(&self) -> Option<&PostKey> {
        match &self.change {
            Some(Change::Posted(post)) => Some(post),
            Some(Change::Edited { .. } | Change::Deleted { .. } | Change::Left) | None => None,
        }
    }
}
