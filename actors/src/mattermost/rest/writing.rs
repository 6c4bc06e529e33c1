//! What an account writes: posts, edits, reactions, and that it types.

use actix_http::Method;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::client::{RawResponse, RestRequest};
use crate::mattermost::{
    Client, FileId, Post, RateHeaders, RestError, RestErrorKind, RestResponse, transport::url::percent_encode,
};
use crate::model::{ChannelId, PostId, Token, UserId};

/// What a body of JSON is called.
const JSON: &str = "application/json";

/// A post that is to be made.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct NewPost {
    /// Where.
    pub channel_id: ChannelId,
    /// The text; at most 16,383 characters (fact 13).
    pub message: String,
    /// The first post of the thread that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_id: Option<PostId>,
    /// Its properties.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub props: Map<String, Value>,
    /// Its files, uploaded before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub file_ids: Vec<FileId>,
    /// Makes one post within 30 s, however often it is asked for (fact 19). A server of several nodes may know it on
    /// one of them only.
    pub pending_post_id: String,
}

/// A post that one user alone sees, and that is not kept.
#[derive(Debug, Clone, PartialEq)]
pub struct EphemeralPost {
    /// Who sees it.
    pub user_id: UserId,
    /// Where.
    pub channel_id: ChannelId,
    /// The text.
    pub message: String,
    /// The first post of the thread that it belongs to.
    pub root_id: Option<PostId>,
    /// Its properties.
    pub props: Map<String, Value>,
}

/// A reaction that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reaction {
    /// Whose: the token's own.
    pub user_id: UserId,
    /// To what.
    pub post_id: PostId,
    /// The emoji's name, without colons.
    pub emoji_name: String,
}

impl Client {
    /// Makes a post.
    ///
    /// # Errors
    ///
    /// A channel that the account may not write in is [`RestErrorKind::Refused`] with 403. After
    /// [`RestErrorKind::Unreachable`], [`RestErrorKind::Timeout`] or [`RestErrorKind::Server`] **the post may be there**.
    pub async fn create_post(&self, token: &Token, post: &NewPost) -> Result<RestResponse<Post>, RestError> {
        const ROUTE: &str = "/posts";
        let answer = self.write(Method::POST, ROUTE, ROUTE, token, post).await?;
        read_post(&answer, ROUTE)
    }

    /// Shows a post to one user. It needs a permission of its own.
    ///
    /// # Errors
    ///
    /// When the server refuses it or cannot be asked.
    pub async fn create_ephemeral(
        &self,
        token: &Token,
        post: &EphemeralPost,
    ) -> Result<RestResponse<()>, RestError> {
        const ROUTE: &str = "/posts/ephemeral";
        let body = json!({ "user_id": post.user_id, "post": {
            "channel_id": post.channel_id, "message": post.message, "props": post.props,
            "root_id": post.root_id.as_ref().map_or("", PostId::as_str),
        } });
        self.write(Method::POST, ROUTE, ROUTE, token, &body).await.map(|answer| done(&answer))
    }

    /// Gives a post another text.
    ///
    /// # Errors
    ///
    /// A post that is not there is [`RestErrorKind::NotFound`], another's [`RestErrorKind::Refused`] with 403.
    pub async fn edit_post(
        &self,
        token: &Token,
        id: &PostId,
        message: &str,
    ) -> Result<RestResponse<Post>, RestError> {
        const ROUTE: &str = "/posts/{post_id}/patch";
        let path = format!("/posts/{}/patch", percent_encode(id.as_str()));
        let answer = self.write(Method::PUT, ROUTE, &path, token, &json!({ "message": message })).await?;
        read_post(&answer, ROUTE)
    }

    /// Reads one post.
    ///
    /// # Errors
    ///
    /// A post that is not there, or deleted, is [`RestErrorKind::NotFound`].
    pub async fn post(&self, token: &Token, id: &PostId) -> Result<RestResponse<Post>, RestError> {
        const ROUTE: &str = "/posts/{post_id}";
        let path = format!("/posts/{}", percent_encode(id.as_str()));
        let answer = self.get_path(ROUTE, &path, Some(token), None).await?;
        read_post(&answer, ROUTE)
    }

    /// Reacts to a post. A second time changes nothing.
    ///
    /// # Errors
    ///
    /// When the server refuses it or cannot be asked.
    pub async fn add_reaction(
        &self,
        token: &Token,
        reaction: &Reaction,
    ) -> Result<RestResponse<()>, RestError> {
        const ROUTE: &str = "/reactions";
        self.write(Method::POST, ROUTE, ROUTE, token, reaction).await.map(|answer| done(&answer))
    }

    /// Shows that the account types.
    ///
    /// # Errors
    ///
    /// When the server refuses it or cannot be asked.
    pub async fn typing(
        &self,
        token: &Token,
        channel: &ChannelId,
        root_id: Option<&PostId>,
    ) -> Result<RestResponse<()>, RestError> {
        const ROUTE: &str = "/users/me/typing";
        let body = json!({ "channel_id": channel, "parent_id": root_id.map_or("", PostId::as_str) });
        self.write(Method::POST, ROUTE, ROUTE, token, &body).await.map(|answer| done(&answer))
    }

    async fn write(
        &self,
        method: Method,
        route: &'static str,
        path: &str,
        token: &Token,
        body: &impl Serialize,
    ) -> Result<RawResponse, RestError> {
        let body = serde_json::to_vec(body);
        let body =
            body.map_err(|error| RestError::new(RestErrorKind::Refused(400), route, error.to_string()))?;
        let (body, within) = (Some((JSON, Bytes::from(body))), self.limits().request_timeout);
        self.ask(RestRequest { method, route, path, token: Some(token), etag: None, body, within }).await
    }
}

fn read_post(answer: &RawResponse, route: &'static str) -> Result<RestResponse<Post>, RestError> {
    let json: Box<RawValue> = answer.json(route)?;
    let post = Post::read(json);
    let value = post.map_err(|error| RestError::new(RestErrorKind::BadBody, route, error.to_string()))?;
    Ok(RestResponse { value, rate: RateHeaders::read(&answer.headers) })
}

/// The answer says no more than that it is done.
fn done(answer: &RawResponse) -> RestResponse<()> {
    RestResponse { value: (), rate: RateHeaders::read(&answer.headers) }
}
