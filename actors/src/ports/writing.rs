//! What an account may write at a Mattermost server.

use futures_util::future::{FutureExt as _, LocalBoxFuture};

use crate::{
    mattermost::{Client, EphemeralPost, FileId, NewFile, NewPost, Post, Reaction, RestError, RestResponse},
    model::{ChannelId, PostId, Token},
};

/// What comes of asking.
pub type ApiFuture<'a, T> = LocalBoxFuture<'a, Result<RestResponse<T>, RestError>>;

/// The part of a server's API that changes something.
///
/// What it promises: every call ends within the client's limits. What it was asked for is done at most once for each
/// call; after an error that does not say that it was refused it may be done.
pub trait WriteApi {
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

impl WriteApi for Client {
    fn create_post<'a>(&'a self, token: &'a Token, post: &'a NewPost) -> ApiFuture<'a, Post> {
        Client::create_post(self, token, post).boxed_local()
    }

    fn create_ephemeral<'a>(&'a self, token: &'a Token, post: &'a EphemeralPost) -> ApiFuture<'a, ()> {
        Client::create_ephemeral(self, token, post).boxed_local()
    }

    fn edit_post<'a>(&'a self, token: &'a Token, id: &'a PostId, message: &'a str) -> ApiFuture<'a, Post> {
        Client::edit_post(self, token, id, message).boxed_local()
    }

    fn post<'a>(&'a self, token: &'a Token, id: &'a PostId) -> ApiFuture<'a, Post> {
        Client::post(self, token, id).boxed_local()
    }

    fn add_reaction<'a>(&'a self, token: &'a Token, reaction: &'a Reaction) -> ApiFuture<'a, ()> {
        Client::add_reaction(self, token, reaction).boxed_local()
    }

    fn typing<'a>(
        &'a self,
        token: &'a Token,
        channel: &'a ChannelId,
        root_id: Option<&'a PostId>,
    ) -> ApiFuture<'a, ()> {
        Client::typing(self, token, channel, root_id).boxed_local()
    }

    fn upload_file<'a>(&'a self, token: &'a Token, file: NewFile<'a>) -> ApiFuture<'a, FileId> {
        Client::upload_file(self, token, file).boxed_local()
    }

    fn max_file_size<'a>(&'a self, token: &'a Token) -> ApiFuture<'a, u64> {
        Client::max_file_size(self, token).boxed_local()
    }
}
