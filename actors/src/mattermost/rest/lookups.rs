//! Look-ups of channels, users and posts, whose JSON is handed on as it is.

use actix_http::Method;
use serde_json::value::RawValue;

use super::posts::PER_PAGE;
use crate::{
    mattermost::{Client, RateHeaders, RestError, RestResponse, transport::url::percent_encode},
    model::{ChannelId, FileId, PostId, Token, UserId},
};

/// A single request that looks something up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupRequest<'a> {
    /// `GET /channels/{id}`.
    Channel(&'a ChannelId),
    /// `GET /teams/name/{team}/channels/name/{channel}`.
    ChannelByName {
        /// The team's name.
        team: &'a str,
        /// The channel's name.
        channel: &'a str,
    },
    /// `GET /users/{id}`.
    User(&'a UserId),
    /// `GET /users/username/{name}`.
    UserByName(&'a str),
    /// `POST /channels/direct`, which creates the channel or returns the one that exists.
    DirectChannel([&'a UserId; 2]),
    /// `GET /posts/{id}/thread`.
    Thread(&'a PostId),
    /// `GET /files/{id}/info`.
    File(&'a FileId),
    /// `GET /channels/{id}/posts`, the newest ones.
    Posts {
        /// The channel.
        channel: &'a ChannelId,
        /// The number of posts; clamped to 1 up to [`PER_PAGE`].
        count: usize,
    },
}

impl LookupRequest<'_> {
    /// Returns the route as errors show it.
    fn route(&self) -> &'static str {
        match self {
            Self::Channel(_) => "/channels/{channel_id}",
            Self::ChannelByName { .. } => "/teams/name/{team}/channels/name/{channel}",
            Self::User(_) => "/users/{user_id}",
            Self::UserByName(_) => "/users/username/{username}",
            Self::DirectChannel(_) => "/channels/direct",
            Self::Thread(_) => "/posts/{post_id}/thread",
            Self::File(_) => "/files/{file_id}/info",
            Self::Posts { .. } => "/channels/{channel_id}/posts",
        }
    }

    fn path(&self) -> String {
        let encode = percent_encode;
        match self {
            Self::Channel(id) => format!("/channels/{}", encode(id.as_str())),
            Self::ChannelByName { team, channel } => {
                format!("/teams/name/{}/channels/name/{}", encode(team), encode(channel))
            }
            Self::User(id) => format!("/users/{}", encode(id.as_str())),
            Self::UserByName(name) => format!("/users/username/{}", encode(name)),
            Self::DirectChannel(_) => "/channels/direct".to_owned(),
            Self::Thread(post) => format!("/posts/{}/thread", encode(post.as_str())),
            Self::File(id) => format!("/files/{}/info", encode(id.as_str())),
            Self::Posts { channel, count } => {
                let count = (*count).clamp(1, PER_PAGE);
                format!("/channels/{}/posts?per_page={count}&skipFetchThreads=true", encode(channel.as_str()))
            }
        }
    }
}

impl Client {
    /// Looks something up and returns the server's JSON.
    ///
    /// # Errors
    ///
    /// Something that does not exist is [`NotFound`](crate::mattermost::RestErrorKind::NotFound), something that the account may not see
    /// [`Refused`](crate::mattermost::RestErrorKind::Refused) with 403 or, for a channel by name, also [`NotFound`](crate::mattermost::RestErrorKind::NotFound).
    pub async fn look_up(
        &self,
        token: &Token,
        request: &LookupRequest<'_>,
    ) -> Result<RestResponse<Box<RawValue>>, RestError> {
        let (route, path) = (request.route(), request.path());
        let response = match request {
            LookupRequest::DirectChannel(users) => {
                self.write(Method::POST, route, &path, token, users).await?
            }
            _ => self.get_path(route, &path, Some(token), None).await?,
        };
        Ok(RestResponse { value: response.json(route)?, rate: RateHeaders::read(&response.headers) })
    }
}
