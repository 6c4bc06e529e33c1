//! Replies that could not be posted.

use std::sync::Arc;

use matterhost_actors::model::{ChannelId, PostId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::sinks::{
    message::Message,
    reply::{Audience, Reply},
};

/// A reply that could not be posted, as its dead letter keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnpostedReply {
    /// The index among the replies to the event.
    pub index: usize,
    /// The channel.
    pub channel: ChannelId,
    /// The post whose thread it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<PostId>,
    /// Any post of the thread, if its first post is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_of: Option<PostId>,
    /// The only reader of an ephemeral reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<UserId>,
    /// The text.
    pub text: String,
    /// The post's props.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub props: Map<String, Value>,
}

impl UnpostedReply {
    /// Returns the kept form of a reply.
    pub(in crate::sinks) fn of(reply: &Reply) -> Self {
        Self {
            index: reply.index,
            channel: reply.channel.clone(),
            thread: reply.thread.clone(),
            thread_of: reply.thread_of.clone(),
            reader: match &reply.audience {
                Audience::Channel => None,
                Audience::Author(user) => Some(user.clone()),
            },
            text: reply.text.clone(),
            props: reply.props.clone(),
        }
    }

    /// Returns the reply to post, with the key that it had before: if it was posted after all, it is not posted again.
    pub(super) fn into_reply(self, event: &Message, sink: &Arc<str>) -> Reply {
        Reply {
            account: event.account.clone(),
            sink: Arc::clone(sink),
            event_id: event.id.clone(),
            index: self.index,
            event_create_at: event.post.create_at,
            channel: self.channel,
            thread: self.thread,
            thread_of: self.thread_of,
            audience: self.reader.map_or(Audience::Channel, Audience::Author),
            text: self.text,
            props: self.props,
        }
    }
}
