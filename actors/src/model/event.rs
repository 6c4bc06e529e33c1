use std::{
    borrow::Cow,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;

use super::{AccountName, ChannelId, Generation, PostId, ServerName, UserId};

/// An event that is handed to a sink: the server's own text, unchanged, and its origin.
#[derive(Debug, Clone)]
pub struct Event {
    /// The account that received it.
    pub account: AccountName,
    /// The server that sent it.
    pub server: ServerName,
    /// The account's own user, as of the start of the Connection.
    pub user: AccountUser,
    /// The event's channel, if it is known.
    pub channel: Option<Arc<ChannelInfo>>,
    /// The name, without the `@`, of the author of the post or of the user who reacted, if it is known.
    pub sender: Option<Arc<str>>,
    /// The generation of the Connection that received it.
    pub generation: Generation,
    /// The server's id for the connection; empty if the server assigns none.
    pub connection_id: Arc<str>,
    /// The time at which it was received.
    pub received_at: SystemTime,
    /// True if the catch-up fetched it, false if it was received live.
    pub recovered: bool,
    /// True for the last post that a catch-up fetched in the channel.
    pub last_recovered: bool,
    /// True if it is about one of the account's own posts.
    pub own: bool,
    /// The parsed envelope.
    pub body: EventBody,
}

/// The Mattermost user of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountUser {
    /// The user's id.
    pub id: UserId,
    /// The user's name, without the `@`.
    pub name: Arc<str>,
    /// The words that mention the user, besides the name.
    pub keywords: Arc<[Box<str>]>,
}

/// A channel as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelInfo {
    /// The kind, by the server's letter: `O` public, `P` private, `D` direct, `G` group.
    pub kind: Box<str>,
    /// The name in links; for a direct channel it is built from the members' ids.
    pub name: Box<str>,
    /// The name shown to people; empty for a direct channel.
    pub display_name: Box<str>,
    /// The id of the team; empty for a direct or group channel.
    pub team_id: Box<str>,
    /// The team's name in links; empty if there is no team, or its name is not known.
    pub team_name: Arc<str>,
}

/// The envelope of an event, parsed once. Accounts that receive the same post at the same time share its texts.
#[derive(Debug, Clone)]
pub struct EventBody {
    /// The event's name, such as `posted`.
    pub event: Arc<str>,
    /// The channel of the event; empty if it belongs to none.
    pub channel_id: ChannelId,
    /// The change that can also be fetched, and must not be delivered twice.
    pub change: Option<Change>,
    /// The post in `data`, as far as it was read when the event arrived. None if the event has no post, or one that cannot be
    /// read.
    pub post: Option<Arc<PostOutline>>,
    /// The sequence number on the connection (fact 14); 0 for a fetched event.
    pub seq: u64,
    /// The member `data` of the envelope, byte for byte.
    pub data: Arc<str>,
    /// The member `broadcast` of the envelope, byte for byte.
    pub broadcast: Arc<str>,
}

/// The parts of a post that most receivers need: reading the text again costs more than the rest of a delivery. Times are
/// milliseconds of server time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostOutline {
    /// The post's id.
    pub id: PostId,
    /// The author.
    pub author: UserId,
    /// The first post of its thread; empty if it is not a reply.
    pub root_id: PostId,
    /// The type: empty for a post by a person or a bot, `system_…` for one by the server.
    pub kind: Box<str>,
    /// The text; possibly empty if the post is deleted.
    pub message: Box<str>,
    /// The time of its creation.
    pub create_at: i64,
    /// The time of the last change, which may also be a reply or a reaction.
    pub update_at: i64,
    /// The time of the last edit of its text, or 0.
    pub edit_at: i64,
    /// The time of its deletion, or 0.
    pub delete_at: i64,
}

/// A change in a channel that can also be fetched later.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change {
    /// A new post.
    Posted(PostKey),
    /// A post's text was edited.
    Edited {
        /// The post.
        id: PostId,
        /// The time of the edit, in server milliseconds.
        edit_at: i64,
    },
    /// A post was deleted. The live event does not carry the time.
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

/// The member of `data` that holds a reaction, as JSON in a string (fact 13).
#[derive(Deserialize)]
struct ReactionData<'a> {
    #[serde(borrow)]
    reaction: Cow<'a, str>,
}

/// The parts of a reaction that identify it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReactionHead {
    /// The user who reacted.
    pub user_id: UserId,
    /// The post.
    pub post_id: PostId,
    /// The time of the reaction, in server milliseconds; 0 if it is not known.
    #[serde(default)]
    pub create_at: i64,
}

/// The members of a post that identify one version of it.
#[derive(Deserialize)]
struct UpdatedPost<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(default)]
    update_at: i64,
}

/// The parts of a post that decide its order in the channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PostKey {
    /// The creation time, in server milliseconds.
    pub create_at: i64,
    /// The post's id.
    pub id: PostId,
}

impl ChannelInfo {
    /// True for the direct channel of two users.
    pub fn is_direct(&self) -> bool {
        &*self.kind == "D"
    }
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
    /// Returns the bytes of the texts that the event keeps. The text of a post is kept twice: in `data` and in its outline.
    pub fn kept_bytes(&self) -> usize {
        let message = self.post.as_ref().map_or(0, |post| post.message.len());
        self.data.len() + self.broadcast.len() + message
    }

    /// Returns the id of a `post_edited` event that is not an edit of the text, such as a pin: the post's last edit
    /// time does not distinguish two of them, its update time does.
    fn updated_post_id(&self) -> Option<String> {
        if &*self.event != "post_edited" {
            return None;
        }
        let data: PostData<'_> = serde_json::from_str(&self.data).ok()?;
        let post: UpdatedPost<'_> = serde_json::from_str(&data.post).ok()?;
        Some(format!("{}/updated/{}", post.id, post.update_at))
    }

    /// Returns the reaction if the event announces an added one.
    pub fn reaction(&self) -> Option<ReactionHead> {
        if &*self.event != "reaction_added" {
            return None;
        }
        let data: ReactionData<'_> = serde_json::from_str(&self.data).ok()?;
        serde_json::from_str(&data.reaction).ok()
    }

    /// Returns the key of the post if the event announces a new one.
    pub fn post(&self) -> Option<&PostKey> {
        match &self.change {
            Some(Change::Posted(post)) => Some(post),
            Some(Change::Edited { .. } | Change::Deleted { .. } | Change::Left) | None => None,
        }
    }
}
