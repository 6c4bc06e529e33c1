//! An event on its way to a sink.

use std::{sync::Arc, time::SystemTime};

use super::{AccountName, ChannelId, Generation, PostId, ServerName};

/// An event of the server, as it is handed to a sink: the server's own words, untouched, and where they came
/// from.
#[derive(Debug, Clone)]
pub struct Event {
    /// The account that heard it.
    pub account: AccountName,
    /// The server that said it.
    pub server: ServerName,
    /// The generation of the Connection that heard it.
    pub generation: Generation,
    /// The id of the server's side of that connection.
    pub connection_id: Arc<str>,
    /// When it was heard.
    pub received_at: SystemTime,
    /// Whether it was fetched by the catch-up instead of heard live.
    pub recovered: bool,
    /// What was said.
    pub body: EventBody,
}

/// What the server said: its envelope, taken apart once.
#[derive(Debug, Clone)]
pub struct EventBody {
    /// The event's name, such as `posted`.
    pub event: Box<str>,
    /// The channel it belongs to; empty when it belongs to none.
    pub channel_id: ChannelId,
    /// The post that it brings, when it is a new one (`posted`).
    pub post: Option<PostKey>,
    /// Its place in the order of the connection (fact 14); 0 for what was fetched.
    pub seq: u64,
    /// The member `data` of the envelope, byte for byte.
    pub data: Box<str>,
    /// The member `broadcast` of the envelope, byte for byte.
    pub broadcast: Box<str>,
}

/// A post, as far as its place goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PostKey {
    /// When it was made, in server milliseconds.
    pub create_at: i64,
    /// Its id.
    pub id: PostId,
}
