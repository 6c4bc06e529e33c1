//! A Mattermost server, as an account's actors speak to it.

use std::{rc::Rc, sync::Arc};

use futures_util::future::LocalBoxFuture;

use crate::{
    mattermost::{
        Channel, DialError, DialedSocket, EphemeralPost, Etag, FileId, Me, NewFile, NewPost, Page,
        PageRequest, Post, PostRange, PostsSince, Reaction, RequestStats, RestError, RestResponse,
        SystemPing,
    },
    model::{ChannelId, PostId, ResumePoint, Token},
};

/// What comes of asking.
pub type ApiFuture<'a, T> = LocalBoxFuture<'a, Result<RestResponse<T>, RestError>>;

/// One server's API, usable on the Arbiter it was made on.
///
/// What it is asked for is read or dialed here; what changes something is [`WriteApi`]. What it promises: every call ends within the client's limits, with an answer or an error that says its kind;
/// `system_ping` sends no token; a socket is handed over as soon as the upgrade is done, before any hello.
pub trait Api {
    /// `GET /users/me`; with an ETag the answer may be [`Me::Unmodified`] (fact 9).
    fn me<'a>(&'a self, token: &'a Token, etag: Option<&'a Etag>) -> ApiFuture<'a, Me>;

    /// `GET /system/ping`, without a token.
    fn system_ping(&self) -> ApiFuture<'_, SystemPing>;

    /// Every channel of the account, archived ones too (facts 12, 26), with the `last_post_at` that only
    /// lists have (fact 24). It may take more than one request. It is complete or an error; no channels at all
    /// are an empty list.
    fn channels<'a>(&'a self, token: &'a Token) -> ApiFuture<'a, Vec<Channel>>;

    /// One channel by its id, archived or not, without `last_post_at`; 403 and 404 are told apart.
    fn channel<'a>(&'a self, token: &'a Token, id: &'a ChannelId) -> ApiFuture<'a, Channel>;

    /// One page of a channel's posts, deleted ones left out; an unknown post gives an empty page (facts 11, 23), an
    /// empty id is refused with 400.
    fn posts<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        range: PostRange<'a>,
        page_request: PageRequest,
    ) -> ApiFuture<'a, Page>;

    /// What was touched after a time, deleted posts and rows of history too; past its limit it brings any of
    /// them, and says so (facts 11, 25).
    fn posts_since<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        since_ms: i64,
    ) -> ApiFuture<'a, PostsSince>;

    /// Opens a WebSocket, or takes an old connection up again where it was left (fact 10).
    fn dial<'a>(
        &'a self,
        token: &'a Token,
        resume: Option<&'a ResumePoint>,
    ) -> LocalBoxFuture<'a, Result<DialedSocket, DialError>>;

    /// Makes a post; one within 30 s for one `pending_post_id` of one user (fact 19).
    fn create_post<'a>(&'a self, token: &'a Token, post: &'a NewPost) -> ApiFuture<'a, Post>;

    /// Shows a post to one user; nothing keeps it.
    fn create_ephemeral<'a>(&'a self, token: &'a Token, post: &'a EphemeralPost) -> ApiFuture<'a, ()>;

    /// Gives a post of the account's own another text; 403 and 404 are told apart.
    fn edit_post<'a>(&'a self, token: &'a Token, id: &'a PostId, message: &'a str) -> ApiFuture<'a, Post>;

    /// Reads one post.
    fn post<'a>(&'a self, token: &'a Token, id: &'a PostId) -> ApiFuture<'a, Post>;

    /// Reacts to a post; a second time changes nothing.
    fn add_reaction<'a>(&'a self, token: &'a Token, reaction: &'a Reaction) -> ApiFuture<'a, ()>;

    /// Shows that the account types.
    fn typing<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        root_id: Option<&'a PostId>,
    ) -> ApiFuture<'a, ()>;

    /// Takes a file to the server, for a post to name.
    fn upload_file<'a>(&'a self, token: &'a Token, file: NewFile<'a>) -> ApiFuture<'a, FileId>;

    /// How large a file may be, in bytes.
    fn max_file_size<'a>(&'a self, token: &'a Token) -> ApiFuture<'a, u64>;
}

/// Makes a server's API on whatever Arbiter it is asked on: an HTTP client cannot move between threads.
pub trait ApiFactory: Send + Sync + 'static {
    /// The API for this Arbiter.
    fn api(&self) -> Rc<dyn Api>;

    /// Where its requests are counted, and what they wait for at the gate. Nobody reads it unless this is overridden.
    fn request_stats(&self) -> Arc<RequestStats> {
        Arc::default()
    }
}
