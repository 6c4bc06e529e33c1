//! The write requests of the fake server.

use std::{
    collections::{BTreeMap, VecDeque},
    time::SystemTime,
};

use matterhost_actors::{
    mattermost::{RestError, RestErrorKind, RestResponse},
    model::{Change, Event, EventBody, Generation, PostKey, ServerName, Token},
};
use tokio::sync::oneshot;

use super::{FakeServer, channels::FakeChannels};

/// The fate of a request to create a post.
pub(crate) enum PostReply {
    /// The request fails without effect.
    Fail(RestErrorKind),
    /// The post is created, but the response is lost.
    Lost,
    /// The post is created when the test releases it.
    Held(oneshot::Receiver<()>),
    /// The request panics.
    Panic,
}

/// The write requests so far, and the scripted replies.
#[derive(Default)]
pub(super) struct PostRequests {
    pub(super) replies: VecDeque<PostReply>,
    counts: BTreeMap<&'static str, usize>,
    pub(super) pending: Vec<String>,
}

impl FakeServer {
    /// Scripts the replies to the next requests to create a post.
    pub(crate) fn script_post_replies(&self, replies: impl IntoIterator<Item = PostReply>) {
        self.state().post_requests.replies.extend(replies);
    }

    /// Returns the number of requests of a kind: `post`, `edit`, `react`, `typing`, `ephemeral`, `upload`, `page`.
    pub(crate) fn request_count(&self, kind: &str) -> usize {
        self.state().post_requests.counts.get(kind).copied().unwrap_or_default()
    }

    /// Returns the `pending_post_id` of each request to create a post.
    pub(crate) fn pending_ids(&self) -> Vec<String> {
        self.state().post_requests.pending.clone()
    }

    pub(super) fn count(&self, kind: &'static str) {
        *self.state().post_requests.counts.entry(kind).or_default() += 1;
    }

    pub(super) fn answer<T>(
        &self,
        kind: &'static str,
        token: &Token,
        answer: impl FnOnce(&mut FakeChannels) -> Result<T, RestErrorKind>,
    ) -> Result<RestResponse<T>, RestError> {
        self.count(kind);
        self.answer_channels(token.expose(), answer)
    }
}

/// Returns the data of a `posted` event.
pub(crate) fn posted_data(channel: &str, id: &str, user: &str) -> String {
    let post = serde_json::json!({
        "id": id, "create_at": 9_000, "user_id": user, "channel_id": channel, "message": "hello",
    });
    serde_json::json!({ "post": post.to_string() }).to_string()
}

/// Returns the `n`th event of a channel, a post.
pub(crate) fn posted_event(channel: &str, n: usize) -> Event {
    let id = format!("event-{n}");
    let data = posted_data(channel, &id, "id-somebody");
    let post = PostKey { create_at: 9_000, id: id.as_str().into() };
    let body = EventBody {
        event: "posted".into(),
        channel_id: channel.into(),
        change: Some(Change::Posted(post)),
        seq: 1,
        data: data.into(),
        broadcast: "{}".into(),
    };
    Event {
        user: matterhost_actors::model::AccountUser::default(),
        channel: None,
        sender: None,
        account: super::name("bot"),
        server: ServerName::new("test").unwrap(),
        generation: Generation(1),
        connection_id: "c".into(),
        received_at: SystemTime::now(),
        recovered: false,
        last_recovered: false,
        own: false,
        body,
    }
}
