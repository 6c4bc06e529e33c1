//! The fake server, written to.

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

/// What becomes of one post that is to be made.
pub(crate) enum PostReply {
    /// It fails, and nothing is done.
    Fail(RestErrorKind),
    /// It is made, and the answer is lost.
    Lost,
    /// It is made when the test lets go.
    Held(oneshot::Receiver<()>),
    /// Whoever asks panics.
    Panic,
}

/// What was asked for.
#[derive(Default)]
pub(super) struct PostRequests {
    pub(super) fates: VecDeque<PostReply>,
    asked: BTreeMap<&'static str, usize>,
    pub(super) pending: Vec<String>,
}

impl FakeServer {
    /// What becomes of the next posts, in place of being made.
    pub(crate) fn script_post_replies(&self, fates: impl IntoIterator<Item = PostReply>) {
        self.state().post_requests.fates.extend(fates);
    }

    /// How often something was asked for: `post`, `edit`, `react`, `typing`, `ephemeral`, `upload`, `page`.
    pub(crate) fn request_count(&self, what: &str) -> usize {
        self.state().post_requests.asked.get(what).copied().unwrap_or_default()
    }

    /// The `pending_post_id` of each post that was asked for.
    pub(crate) fn pending_ids(&self) -> Vec<String> {
        self.state().post_requests.pending.clone()
    }

    pub(super) fn count(&self, what: &'static str) {
        *self.state().post_requests.asked.entry(what).or_default() += 1;
    }

    pub(super) fn answer<T>(
        &self,
        what: &'static str,
        token: &Token,
        answer: impl FnOnce(&mut FakeChannels) -> Result<T, RestErrorKind>,
    ) -> Result<RestResponse<T>, RestError> {
        self.count(what);
        self.answer_channels(token.expose(), answer)
    }
}

/// The data of a `posted` event.
pub(crate) fn posted_data(channel: &str, id: &str, user: &str) -> String {
    let post = serde_json::json!({
        "id": id, "create_at": 9_000, "user_id": user, "channel_id": channel, "message": "hello",
    });
    serde_json::json!({ "post": post.to_string() }).to_string()
}

/// The `n`th event of a channel, a post.
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
        account: super::name("bot"),
        server: ServerName::new("test").unwrap(),
        generation: Generation(1),
        connection_id: "c".into(),
        received_at: SystemTime::now(),
        recovered: false,
        own: false,
        body,
    }
}
