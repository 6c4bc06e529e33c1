//! Requests for channels and posts, made through the server's gate.

use std::{rc::Rc, sync::Arc};

use super::page::{PageCursor, PostPage};
use crate::{
    hosting::{account_context::AccountContext, connection::rest_close_reason, server_gate::GateError},
    mattermost::{Channel, PostsSince, RestError, RestErrorKind, RestResponse},
    model::{ChannelId, CloseReason, Token},
    policy::RequestClass,
    ports::Api,
};

/// A client for everything that one account may read.
#[derive(Clone)]
pub(in crate::hosting) struct CatchUpClient {
    pub(in crate::hosting) context: Arc<AccountContext>,
    pub(in crate::hosting) api: Rc<dyn Api>,
}

/// The reason why a channel was not read to its end.
pub(in crate::hosting) enum ChannelReadError {
    /// The Connection has to end.
    EndConnection(CloseReason),
    /// The server refuses access to the channel.
    Refused(RestError),
}

impl CatchUpClient {
    /// Returns all channels of the account.
    pub(in crate::hosting) async fn channels(&self) -> Result<Vec<Channel>, CloseReason> {
        self.request(async |api, token| api.channels(token).await).await.map_err(|error| close_reason(&error))
    }

    /// Returns one channel, which need not be in the list.
    pub(super) async fn channel(&self, id: &ChannelId) -> Result<Channel, ChannelReadError> {
        Ok(self.request(async |api, token| api.channel(token, id).await).await?)
    }

    /// Returns one page of a channel's posts.
    pub(in crate::hosting) async fn page(
        &self,
        channel: &ChannelId,
        cursor: &PageCursor,
    ) -> Result<PostPage, ChannelReadError> {
        let fetched = cursor.fetch(is_too_large, async |range, page| {
            self.request(async |api, token| api.posts(token, channel, range, page).await).await
        });
        match fetched.await {
            Err(GateError::Failed(error)) if error.kind == RestErrorKind::TooLarge => {
                Err(ChannelReadError::EndConnection(catch_up_failed(&error)))
            }
            fetched => Ok(fetched?),
        }
    }

    /// Returns the posts changed since a time, or `None` if they exceed the body limit: the server does not page them.
    pub(super) async fn since(
        &self,
        channel: &ChannelId,
        time: i64,
    ) -> Result<Option<PostsSince>, ChannelReadError> {
        match self.request(async |api, token| api.posts_since(token, channel, time).await).await {
            Err(error) if is_too_large(&error) => Ok(None),
            since => Ok(Some(since?)),
        }
    }

    async fn request<T>(
        &self,
        send: impl AsyncFnOnce(&dyn Api, &Token) -> Result<RestResponse<T>, RestError>,
    ) -> Result<T, GateError<RestError>> {
        let AccountContext { gate, account, token, .. } = &*self.context;
        gate.request(RequestClass::CatchUp, account, async || send(&*self.api, token).await).await
    }
}

fn is_too_large(error: &GateError<RestError>) -> bool {
    matches!(error, GateError::Failed(error) if error.kind == RestErrorKind::TooLarge)
}

fn close_reason(error: &GateError<RestError>) -> CloseReason {
    match error {
        GateError::Closed(closed) => catch_up_failed(closed),
        GateError::Failed(error) => rest_close_reason(error),
    }
}

fn catch_up_failed(error: &dyn std::error::Error) -> CloseReason {
    CloseReason::CatchUpFailed { cause: error.to_string() }
}

impl From<CloseReason> for ChannelReadError {
    fn from(reason: CloseReason) -> Self {
        Self::EndConnection(reason)
    }
}

impl From<GateError<RestError>> for ChannelReadError {
    fn from(error: GateError<RestError>) -> Self {
        match error {
            GateError::Failed(error)
                if matches!(error.kind, RestErrorKind::Refused(403) | RestErrorKind::NotFound) =>
            {
                Self::Refused(error)
            }
            error => Self::EndConnection(close_reason(&error)),
        }
    }
}
