use std::{rc::Rc, sync::Arc};

use futures_util::future::LocalBoxFuture;
use serde_json::{Map, Value, value::RawValue};

use crate::{
    mattermost::{
        Channel, ChannelList, DialError, DialedSocket, EphemeralPost, Etag, IncomingFile, LookupRequest, Me,
        NewFile, NewPost, Page, PageRequest, Post, PostRange, PostsSince, Reaction, RequestStats, RestError,
        RestResponse, SystemPing, Team, User,
    },
    model::{ChannelId, FileId, IntegrationCall, PostId, ResumePoint, ServerLimits, Token, UserId},
};

/// The future of a request: an answer with its rate headers, or an error.
pub type ApiFuture<'a, T> = LocalBoxFuture<'a, Result<RestResponse<T>, RestError>>;

/// A server's API, usable on the Arbiter on which it was created.
///
/// Every call ends within the client's limits, with an answer or an error of a known kind. A call that changes
/// something is sent at most once; unless the error says that it was refused, it may have been carried out.
pub trait Api {
    /// Requests `GET /users/me`; with an ETag the answer may be [`Me::Unmodified`] (fact 9).
    fn me<'a>(&'a self, token: &'a Token, etag: Option<&'a Etag>) -> ApiFuture<'a, Me>;

    /// Requests `GET /system/ping`, without a token.
    fn system_ping(&self) -> ApiFuture<'_, SystemPing>;

    /// Fetches the users with these ids, at most a page of them; unknown ids are left out.
    fn users<'a>(&'a self, token: &'a Token, ids: &'a [UserId]) -> ApiFuture<'a, Vec<User>>;

    /// Lists the teams of the account.
    fn teams<'a>(&'a self, token: &'a Token) -> ApiFuture<'a, Vec<Team>>;

    /// Lists every channel of the account, archived ones included (facts 12, 26), with the `last_post_at` that
    /// only lists contain (fact 24). It may take several requests. The list is complete or an error; an account
    /// without channels has an empty list.
    ///
    /// Teams of the account that are known, and are all of its teams, may save a request (fact 12).
    fn channels<'a>(&'a self, token: &'a Token, teams: &'a [Box<str>]) -> ApiFuture<'a, ChannelList>;

    /// Fetches a channel by its id, archived or not, without `last_post_at`. 403 and 404 are distinct errors.
    fn channel<'a>(&'a self, token: &'a Token, id: &'a ChannelId) -> ApiFuture<'a, Channel>;

    /// Fetches a page of a channel's posts, without deleted ones. An unknown post gives an empty page (facts 11,
    /// 23), an empty id is refused with 400.
    fn posts<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        range: PostRange<'a>,
        page_request: PageRequest,
    ) -> ApiFuture<'a, Page>;

    /// Fetches the posts changed after a time, including deleted posts and rows of history. Beyond its limit the
    /// server returns an arbitrary part, and the answer says so (facts 11, 25).
    fn posts_since<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        since_ms: i64,
    ) -> ApiFuture<'a, PostsSince>;

    /// Opens a WebSocket, or resumes an old connection (fact 10). The socket is returned after the upgrade, before
    /// any hello.
    fn dial<'a>(
        &'a self,
        token: &'a Token,
        resume: Option<&'a ResumePoint>,
    ) -> LocalBoxFuture<'a, Result<DialedSocket, DialError>>;

    /// Creates a post; the server creates only one within 30 s for a `pending_post_id` and user (fact 19).
    fn create_post<'a>(&'a self, token: &'a Token, post: &'a NewPost) -> ApiFuture<'a, Post>;

    /// Shows a post to one user, without storing it.
    fn create_ephemeral<'a>(&'a self, token: &'a Token, post: &'a EphemeralPost) -> ApiFuture<'a, ()>;

    /// Changes the text of one of the account's own posts, and replaces its properties if there are new ones. 403 and 404
    /// are distinct errors.
    fn edit_post<'a>(
        &'a self,
        token: &'a Token,
        id: &'a PostId,
        message: &'a str,
        props: Option<&'a Map<String, Value>>,
    ) -> ApiFuture<'a, Post>;

    /// Fetches a post.
    fn post<'a>(&'a self, token: &'a Token, id: &'a PostId) -> ApiFuture<'a, Post>;

    /// Adds a reaction to a post; repeating it changes nothing.
    fn add_reaction<'a>(&'a self, token: &'a Token, reaction: &'a Reaction) -> ApiFuture<'a, ()>;

    /// Removes a reaction of the account; repeating it changes nothing.
    fn remove_reaction<'a>(&'a self, token: &'a Token, reaction: &'a Reaction) -> ApiFuture<'a, ()>;

    /// Deletes a post. A post that is gone is a distinct error.
    fn delete_post<'a>(&'a self, token: &'a Token, id: &'a PostId) -> ApiFuture<'a, ()>;

    /// Looks something up and returns the server's JSON. 403 and 404 are distinct errors.
    fn look_up<'a>(&'a self, token: &'a Token, request: LookupRequest<'a>) -> ApiFuture<'a, Box<RawValue>>;

    /// Shows that the account is typing.
    fn typing<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        root_id: Option<&'a PostId>,
    ) -> ApiFuture<'a, ()>;

    /// Answers a slash command later, or opens a dialog. Calling it again shows it again.
    fn call_integration<'a>(&'a self, token: &'a Token, call: &'a IntegrationCall) -> ApiFuture<'a, ()>;

    /// Uploads a file that a post can then refer to.
    fn upload_file<'a>(&'a self, token: &'a Token, file: NewFile<'a>) -> ApiFuture<'a, FileId>;

    /// Begins to download a file. 403 and 404 are distinct errors.
    fn download_file<'a>(&'a self, token: &'a Token, id: &'a FileId) -> ApiFuture<'a, IncomingFile>;

    /// Returns the sizes that the server takes.
    fn server_limits<'a>(&'a self, token: &'a Token) -> ApiFuture<'a, ServerLimits>;
}

/// A factory of API handles for any Arbiter: an HTTP client cannot move between threads.
pub trait ApiFactory: Send + Sync + 'static {
    /// Returns the API for the current Arbiter.
    fn api(&self) -> Rc<dyn Api>;

    /// Returns the statistics of the API's requests and of their waits at the gate. The default is discarded.
    fn request_stats(&self) -> Arc<RequestStats> {
        Arc::default()
    }
}
