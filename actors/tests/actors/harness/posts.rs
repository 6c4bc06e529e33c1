//! The write requests of the fake server.

use std::{
    collections::{BTreeMap, VecDeque},
    time::SystemTime,
};

use matterhost_actors::{
    mattermost::{RestError, RestErrorKind, RestResponse},
    model::{Change, Event, EventBody, Generation, PostId, PostKey, ServerLimits, ServerName, Token},
};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use super::{FakeServer, channels::FakeChannels};

/// The fate of a request to create a post.
pub(crate) enum PostReply {
    /// The request fails without effect.
    Fail(RestErrorKind),
    /// A proxy fails the request, with a page of its own.
    Proxy(RestErrorKind),
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
    limits: FakeLimits,
}

/// The sizes that the fake server takes, and its answers to those who ask for them.
struct FakeLimits {
    limits: ServerLimits,
    failure: Option<RestErrorKind>,
    held: Option<oneshot::Receiver<()>>,
}

impl Default for FakeLimits {
    fn default() -> Self {
        let limits = ServerLimits { file_bytes: 1_000, ..ServerLimits::default() };
        Self { limits, failure: None, held: None }
    }
}

impl FakeServer {
    /// Scripts the replies to the next requests to create a post.
    pub(crate) fn script_post_replies(&self, replies: impl IntoIterator<Item = PostReply>) {
        self.state().post_requests.replies.extend(replies);
    }

    /// Changes the sizes that the server takes.
    pub(crate) fn set_limits(&self, limits: ServerLimits) {
        self.state().post_requests.limits.limits = limits;
    }

    pub(super) fn limits(&self) -> ServerLimits {
        self.state().post_requests.limits.limits
    }

    /// Makes the requests for the sizes fail.
    pub(crate) fn fail_limits(&self, failure: Option<RestErrorKind>) {
        self.state().post_requests.limits.failure = failure;
    }

    /// Holds the answer to the next request for the sizes until the test releases it.
    pub(crate) fn hold_limits(&self, until: oneshot::Receiver<()>) {
        self.state().post_requests.limits.held = Some(until);
    }

    pub(super) fn answer_limits(
        &self,
        token: &Token,
    ) -> impl Future<Output = Result<RestResponse<ServerLimits>, RestError>> + use<> {
        let (held, failure, limits) = {
            let limits = &mut self.state().post_requests.limits;
            (limits.held.take(), limits.failure, limits.limits)
        };
        let answer = self.answer("limits", token, |_| failure.map_or(Ok(limits), Err));
        async move {
            if let Some(held) = held {
                drop(held.await);
            }
            answer
        }
    }

    /// Returns the number of requests of a kind: `post`, `edit`, `react`, `typing`, `ephemeral`, `upload`, `page`,
    /// `limits`.
    pub(crate) fn request_count(&self, kind: &str) -> usize {
        self.state().post_requests.counts.get(kind).copied().unwrap_or_default()
    }

    /// Returns the `pending_post_id` of each request to create a post.
    pub(crate) fn pending_ids(&self) -> Vec<String> {
        self.state().post_requests.pending.clone()
    }

    /// Creates a post with a member `message` in JSON, or several.
    pub(crate) fn post_with_text(&self, channel: &str, create_at: i64, member: &str) -> PostId {
        self.state().channels.post_with_text(channel, create_at, member)
    }

    /// Returns the properties of a post written by REST, and the number of its files.
    pub(crate) fn rest_content(&self, id: &PostId) -> (Map<String, Value>, usize) {
        self.with_channels(|channels| channels.rest_content(id))
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
        post: None,
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
