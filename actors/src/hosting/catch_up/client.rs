//! Requests for channels and posts, made through the server's gate.

use std::{rc::Rc, sync::Arc};

use super::page::{PageCursor, PostPage};
use crate::{
    hosting::{
        account_context::{AccountContext, now},
        connection::rest_close_reason,
        server_gate::GateError,
    },
    mattermost::{
        Channel, ChannelList, Post, PostsSince, RestError, RestErrorKind, RestResponse, Team, User,
    },
    model::{ChannelId, CloseReason, Excerpt, PostId, Token, UserId},
    policy::{RequestClass, ServerClock, TeamIds},
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
    /// Too many of the channel's events wait for the sink; a later round reads the rest.
    Postponed,
    /// The account left the channel about when it was listed: a later list tells whether it is in it.
    Undecided,
}

impl CatchUpClient {
    /// Returns all channels of the account, and the server's clock if it shows it. `teams` are all teams of the account, or
    /// none if they are not known; those that it was listed by are known from now on.
    pub(in crate::hosting) async fn channels(
        &self,
        teams: Option<TeamIds>,
    ) -> Result<(ChannelList, Option<ServerClock>), CloseReason> {
        // The wait for the gate is over when the request begins: only what follows is between question and answer.
        let mut asked_at = now();
        let update_at = self.context.replay.with(|replay| replay.account().baseline);
        let list = self.request(async |api, token| {
            asked_at = now();
            api.channels(token, teams.as_deref().unwrap_or_default()).await
        });
        let mut list = list.await.map_err(|error| close_reason(&error))?;
        self.remember_teams(&list, update_at, teams.as_deref());
        let asked_at = list.asked_at.unwrap_or(asked_at);
        let clock = list.date.map(|date| ServerClock::new(date, asked_at, now()));
        let limit = self.context.settings.catch_up.max_channels;
        if list.channels.len() > limit {
            list.channels.truncate(limit);
            list.cut_at = Some(limit);
        }
        Ok((list, clock))
    }

    /// Remembers the teams that the server named.
    fn remember_teams(&self, list: &ChannelList, update_at: Option<i64>, known: Option<&[Box<str>]>) {
        let is_news = *list.teams != *known.unwrap_or_default();
        let Some(update_at) = update_at.filter(|_| is_news) else { return };
        let teams = list.teams.iter().cloned().collect();
        self.context.replay.with(|replay| replay.set_known_teams(teams, update_at, now()));
    }

    /// Returns one channel, which need not be in the list, or `None` if its description cannot be used.
    pub(super) async fn channel(&self, id: &ChannelId) -> Result<Option<Channel>, ChannelReadError> {
        match self.request(async |api, token| api.channel(token, id).await).await {
            Err(GateError::Failed(error)) if error.kind == RestErrorKind::BadBody => Ok(None),
            channel => Ok(Some(channel?)),
        }
    }

    /// Returns those of the users that the server knows; `None` if it does not answer.
    pub(super) async fn users(&self, ids: &[UserId]) -> Option<Vec<User>> {
        self.request(async |api, token| api.users(token, ids).await).await.ok()
    }

    /// Returns the teams of the account; `None` if the server does not answer.
    pub(super) async fn teams(&self) -> Option<Vec<Team>> {
        self.request(async |api, token| api.teams(token).await).await.ok()
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

    /// Returns one post, or the reason why it cannot be read.
    pub(super) async fn post_if_readable(
        &self,
        id: &PostId,
    ) -> Result<Result<Post, RestError>, ChannelReadError> {
        match self.request(async |api, token| api.post(token, id).await).await {
            Ok(post) => Ok(Ok(post)),
            Err(GateError::Failed(error)) if is_about_the_post(&error) => Ok(Err(error)),
            Err(error) => Err(ChannelReadError::EndConnection(close_reason(&error))),
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

/// True if an error says that the post itself cannot be had, and not that the server cannot be reached.
fn is_about_the_post(error: &RestError) -> bool {
    use RestErrorKind as K;
    matches!(error.kind, K::TooLarge | K::BadBody)
        || (error.is_servers_own() && matches!(error.kind, K::NotFound | K::Refused(_)))
}

fn is_too_large(error: &GateError<RestError>) -> bool {
    matches!(error, GateError::Failed(error) if error.kind == RestErrorKind::TooLarge)
}

/// Returns the reason for the Connection's end. The server has just answered with a hello, so that anything else than
/// its usual answers is a proxy's, and passes.
fn close_reason(error: &GateError<RestError>) -> CloseReason {
    use RestErrorKind as K;
    let error = match error {
        GateError::Closed(closed) => return catch_up_failed(closed),
        GateError::Failed(error) => error,
    };
    match error.kind {
        K::Unreachable
        | K::Timeout
        | K::Tls
        | K::Proxy
        | K::Unauthorized
        | K::RateLimited { .. }
        | K::Server(_) => rest_close_reason(error),
        K::NotFound | K::Redirect | K::NotJson | K::TooLarge | K::Refused(_) | K::BadBody => {
            catch_up_failed(error)
        }
    }
}

fn catch_up_failed(error: &dyn std::error::Error) -> CloseReason {
    CloseReason::CatchUpFailed { cause: Excerpt::of(error) }
}

impl From<CloseReason> for ChannelReadError {
    fn from(reason: CloseReason) -> Self {
        Self::EndConnection(reason)
    }
}

impl From<GateError<RestError>> for ChannelReadError {
    fn from(error: GateError<RestError>) -> Self {
        match error {
            // A refusal by a proxy says nothing about the channel.
            GateError::Failed(error)
                if error.is_servers_own()
                    && matches!(error.kind, RestErrorKind::Refused(_) | RestErrorKind::NotFound) =>
            {
                Self::Refused(error)
            }
            error => Self::EndConnection(close_reason(&error)),
        }
    }
}
