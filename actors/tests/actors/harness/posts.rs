//! The `WriteApi` port, implemented by the fake server, and test events.

use std::{
    collections::{BTreeMap, VecDeque},
    time::SystemTime,
};

use futures_util::future::FutureExt as _;
use matterhost_actors::{
    mattermost::{
        EphemeralPost, FileId, NewFile, NewPost, Post, Reaction, RestError, RestErrorKind, RestResponse,
    },
    model::{Change, ChannelId, Event, EventBody, Generation, PostId, PostKey, ServerName, Token},
    ports::{ApiFuture, WriteApi},
};
use tokio::sync::oneshot;

use super::{FakeServer, channels::FakeChannels, fake_server::rest_error};

/// The fake server's limit for a file, in bytes.
const MAX_FILE_SIZE: u64 = 1_000;

/// The scripted result of one request to create a post.
pub(crate) enum PostReply {
    /// The request fails and the post is not created.
    Fail(RestErrorKind),
    /// The post is created and the response is lost.
    Lost,
    /// The post is created when the test releases it.
    Held(oneshot::Receiver<()>),
    /// The request panics.
    Panic,
}

/// The requests that write, and the scripted replies.
#[derive(Default)]
pub(super) struct PostRequests {
    script: VecDeque<PostReply>,
    counts: BTreeMap<&'static str, usize>,
    pending: Vec<String>,
}

impl FakeServer {
    /// Scripts the results of the next requests to create a post.
    pub(crate) fn script_post_replies(&self, replies: impl IntoIterator<Item = PostReply>) {
        self.state().post_requests.script.extend(replies);
    }

    /// Counts the requests of a kind: `post`, `one`, `edit`, `react`, `typing`, `ephemeral`, `upload`, `max_file_size`, `page`.
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

    fn answer<T>(
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

impl WriteApi for FakeServer {
    fn create_post<'a>(&'a self, token: &'a Token, post: &'a NewPost) -> ApiFuture<'a, Post> {
        let scripted = {
            let mut state = self.state();
            state.post_requests.pending.push(post.pending_post_id.clone());
            state.post_requests.script.pop_front()
        };
        let name = token.expose();
        async move {
            let lost = matches!(scripted, Some(PostReply::Lost));
            match scripted {
                Some(PostReply::Fail(kind)) => {
                    self.count("post");
                    return Err(rest_error(kind));
                }
                Some(PostReply::Panic) => panic!("scripted panic"),
                Some(PostReply::Held(release)) => drop(release.await),
                Some(PostReply::Lost) | None => {}
            }
            let created = self.answer("post", token, |channels| channels.create_post(name, post));
            if lost { Err(rest_error(RestErrorKind::Unreachable)) } else { created }
        }
        .boxed_local()
    }

    fn create_ephemeral<'a>(&'a self, token: &'a Token, post: &'a EphemeralPost) -> ApiFuture<'a, ()> {
        let answer = self
            .answer("ephemeral", token, |channels| check_access(channels, token, post.channel_id.as_str()));
        async move { answer }.boxed_local()
    }

    fn edit_post<'a>(&'a self, token: &'a Token, id: &'a PostId, message: &'a str) -> ApiFuture<'a, Post> {
        let answer = self.answer("edit", token, |channels| channels.update_post(token.expose(), id, message));
        async move { answer }.boxed_local()
    }

    fn post<'a>(&'a self, token: &'a Token, id: &'a PostId) -> ApiFuture<'a, Post> {
        let answer = self.answer("one", token, |channels| channels.visible_post(token.expose(), id));
        async move { answer }.boxed_local()
    }

    fn add_reaction<'a>(&'a self, token: &'a Token, reaction: &'a Reaction) -> ApiFuture<'a, ()> {
        let add = |channels: &mut FakeChannels| {
            let is_own = reaction.user_id.as_str() == format!("id-{}", token.expose());
            if !is_own {
                return Err(RestErrorKind::Refused(403));
            }
            channels
                .visible_post(token.expose(), &reaction.post_id)
                .map(|_| ())
                .map_err(|_| RestErrorKind::Refused(400))
        };
        let answer = self.answer("react", token, add);
        async move { answer }.boxed_local()
    }

    fn typing<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        _: Option<&'a PostId>,
    ) -> ApiFuture<'a, ()> {
        let answer = self.answer("typing", token, |channels| check_access(channels, token, channel.as_str()));
        async move { answer }.boxed_local()
    }

    fn upload_file<'a>(&'a self, token: &'a Token, file: NewFile<'a>) -> ApiFuture<'a, FileId> {
        let answer = self.answer("upload", token, |channels| {
            check_access(channels, token, file.channel.as_str())?;
            let fits = file.bytes.len() as u64 <= MAX_FILE_SIZE;
            if fits { Ok(FileId::from(file.name)) } else { Err(RestErrorKind::Refused(413)) }
        });
        async move { answer }.boxed_local()
    }

    fn max_file_size<'a>(&'a self, token: &'a Token) -> ApiFuture<'a, u64> {
        let answer = self.answer("max_file_size", token, |_| Ok(MAX_FILE_SIZE));
        async move { answer }.boxed_local()
    }
}

fn check_access(channels: &FakeChannels, token: &Token, channel: &str) -> Result<(), RestErrorKind> {
    if channels.can_read(token.expose(), channel) { Ok(()) } else { Err(RestErrorKind::Refused(403)) }
}
