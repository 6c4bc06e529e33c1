//! The write requests of an account: posts, edits, reactions and typing indicators.

use actix_http::Method;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::client::{RawResponse, RestRequest};
use crate::{
    mattermost::{
        Client, Post, RateHeaders, RestError, RestErrorKind, RestResponse, User,
        transport::url::{RESPONSE_PATH, percent_encode},
    },
    model::{ChannelId, FileId, IntegrationCall, PostId, Token, UserId},
};

/// The content type of a JSON body.
const JSON: &str = "application/json";

/// A post to create.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct NewPost {
    /// The channel.
    pub channel_id: ChannelId,
    /// The text; at most as long as [`ServerLimits::post_chars`](crate::model::ServerLimits::post_chars).
    pub message: String,
    /// The first post of its thread, if it is a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_id: Option<PostId>,
    /// Its properties.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub props: Map<String, Value>,
    /// Its files, already uploaded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub file_ids: Vec<FileId>,
    /// The idempotency key: repeated requests within 30 s create one post (fact 19). In a cluster the key may be known
    /// to one node only.
    pub pending_post_id: String,
}

/// A post that only one user sees and that the server does not store.
#[derive(Debug, Clone, PartialEq)]
pub struct EphemeralPost {
    /// The user who sees it.
    pub user_id: UserId,
    /// The channel.
    pub channel_id: ChannelId,
    /// The text.
    pub message: String,
    /// The first post of its thread, if it is a reply.
    pub root_id: Option<PostId>,
    /// Its properties.
    pub props: Map<String, Value>,
}

/// A reaction to add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reaction {
    /// The user who reacts, which must be the token's own.
    pub user_id: UserId,
    /// The post.
    pub post_id: PostId,
    /// The emoji's name, without colons.
    pub emoji_name: String,
}

impl Client {
    /// Creates a post.
    ///
    /// # Errors
    ///
    /// A channel that the account may not write in is [`RestErrorKind::Refused`] with 403. After
    /// [`RestErrorKind::Unreachable`], [`RestErrorKind::Timeout`] or [`RestErrorKind::Server`] **the post may exist**.
    pub async fn create_post(&self, token: &Token, post: &NewPost) -> Result<RestResponse<Post>, RestError> {
        const ROUTE: &str = "/posts";
        let response = self.write(Method::POST, ROUTE, ROUTE, token, post).await?;
        read_post(&response, ROUTE)
    }

    /// Shows a post to one user, which requires a permission of its own.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it or cannot be reached.
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
        self.write(Method::POST, ROUTE, ROUTE, token, &body).await.map(|response| empty_response(&response))
    }

    /// Returns the users with these ids; unknown ids are left out.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it or cannot be reached.
    pub async fn users(&self, token: &Token, ids: &[UserId]) -> Result<RestResponse<Vec<User>>, RestError> {
        const ROUTE: &str = "/users/ids";
        let response = self.write(Method::POST, ROUTE, ROUTE, token, &ids).await?;
        Ok(RestResponse { value: response.json(ROUTE)?, rate: RateHeaders::read(&response.headers) })
    }

    /// Replaces the text of a post, and its properties if there are new ones.
    ///
    /// # Errors
    ///
    /// A post that does not exist is [`RestErrorKind::NotFound`], one by another user
    /// [`RestErrorKind::Refused`] with 403.
    pub async fn edit_post(
        &self,
        token: &Token,
        id: &PostId,
        message: &str,
        props: Option<&Map<String, Value>>,
    ) -> Result<RestResponse<Post>, RestError> {
        const ROUTE: &str = "/posts/{post_id}/patch";
        let path = format!("/posts/{}/patch", percent_encode(id.as_str()));
        let mut body = json!({ "message": message });
        if let Some(props) = props {
            body["props"] = json!(props);
        }
        let response = self.write(Method::PUT, ROUTE, &path, token, &body).await?;
        read_post(&response, ROUTE)
    }

    /// Returns one post.
    ///
    /// # Errors
    ///
    /// A post that does not exist or is deleted is [`RestErrorKind::NotFound`].
    pub async fn post(&self, token: &Token, id: &PostId) -> Result<RestResponse<Post>, RestError> {
        const ROUTE: &str = "/posts/{post_id}";
        let path = format!("/posts/{}", percent_encode(id.as_str()));
        let response = self.get_path(ROUTE, &path, Some(token), None).await?;
        read_post(&response, ROUTE)
    }

    /// Adds a reaction to a post. Adding it again changes nothing.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it or cannot be reached.
    pub async fn add_reaction(
        &self,
        token: &Token,
        reaction: &Reaction,
    ) -> Result<RestResponse<()>, RestError> {
        const ROUTE: &str = "/reactions";
        self.write(Method::POST, ROUTE, ROUTE, token, reaction)
            .await
            .map(|response| empty_response(&response))
    }

    /// Removes a reaction of the account. A reaction that is not there is no error.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it or cannot be reached.
    pub async fn remove_reaction(
        &self,
        token: &Token,
        reaction: &Reaction,
    ) -> Result<RestResponse<()>, RestError> {
        const ROUTE: &str = "/users/{user_id}/posts/{post_id}/reactions/{emoji}";
        let [user, post, emoji] =
            [reaction.user_id.as_str(), reaction.post_id.as_str(), &reaction.emoji_name].map(percent_encode);
        let path = format!("/users/{user}/posts/{post}/reactions/{emoji}");
        self.delete(ROUTE, &path, token).await
    }

    /// Deletes a post.
    ///
    /// # Errors
    ///
    /// A post that does not exist or is deleted is [`RestErrorKind::NotFound`], one that the account may not delete
    /// [`RestErrorKind::Refused`] with 403.
    pub async fn delete_post(&self, token: &Token, id: &PostId) -> Result<RestResponse<()>, RestError> {
        const ROUTE: &str = "/posts/{post_id}";
        self.delete(ROUTE, &format!("/posts/{}", percent_encode(id.as_str())), token).await
    }

    /// Shows the account as typing.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it or cannot be reached.
    pub async fn typing(
        &self,
        token: &Token,
        channel: &ChannelId,
        root_id: Option<&PostId>,
    ) -> Result<RestResponse<()>, RestError> {
        const ROUTE: &str = "/users/me/typing";
        let body = json!({ "channel_id": channel, "parent_id": root_id.map_or("", PostId::as_str) });
        self.write(Method::POST, ROUTE, ROUTE, token, &body).await.map(|response| empty_response(&response))
    }

    /// Answers a slash command later, or opens a dialog.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses it or cannot be reached.
    pub async fn call_integration(
        &self,
        token: &Token,
        call: &IntegrationCall,
    ) -> Result<RestResponse<()>, RestError> {
        let response = match call {
            IntegrationCall::AnswerCommand { response_id, answer } => {
                const ROUTE: &str = "/hooks/commands/{id}";
                let path = format!("{RESPONSE_PATH}{}", percent_encode(response_id));
                self.write(Method::POST, ROUTE, &path, token, answer).await?
            }
            IntegrationCall::OpenDialog { trigger_id, url, dialog, .. } => {
                const ROUTE: &str = "/actions/dialogs/open";
                let body = json!({ "trigger_id": trigger_id, "url": url, "dialog": dialog });
                self.write(Method::POST, ROUTE, ROUTE, token, &body).await?
            }
        };
        Ok(empty_response(&response))
    }

    /// Deletes something.
    pub(super) async fn delete(
        &self,
        route: &'static str,
        path: &str,
        token: &Token,
    ) -> Result<RestResponse<()>, RestError> {
        let (method, time_limit) = (Method::DELETE, self.limits().request_timeout);
        let request =
            RestRequest { method, route, path, token: Some(token), etag: None, body: None, time_limit };
        self.execute(request).await.map(|response| empty_response(&response))
    }

    /// Sends JSON.
    pub(super) async fn write(
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
        let (body, time_limit) = (Some((JSON, Bytes::from(body).into())), self.limits().request_timeout);
        self.execute(RestRequest { method, route, path, token: Some(token), etag: None, body, time_limit })
            .await
    }
}

fn read_post(response: &RawResponse, route: &'static str) -> Result<RestResponse<Post>, RestError> {
    let json: Box<RawValue> = response.json(route)?;
    let post = Post::read(json);
    let value = post.map_err(|error| RestError::new(RestErrorKind::BadBody, route, error.to_string()))?;
    Ok(RestResponse { value, rate: RateHeaders::read(&response.headers) })
}

/// Returns a response without content.
fn empty_response(response: &RawResponse) -> RestResponse<()> {
    RestResponse { value: (), rate: RateHeaders::read(&response.headers) }
}
