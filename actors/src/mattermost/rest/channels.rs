//! An account's channels.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
};

use actix_http::StatusCode;
use serde::{Deserialize, Deserializer};

use super::{client::RawResponse, error::AppError};
use crate::mattermost::{
    Client, RateHeaders, RestError, RestErrorKind, RestResponse, transport::url::percent_encode,
};
use crate::model::{ChannelId, Token};

/// The server has no such route.
const NO_ROUTE: &str = "api.context.404.app_error";

/// How the errors begin that say that an account has no channels at all (fact 26).
const NO_CHANNELS: &str = "app.channel.get_channels.not_found";

/// A channel of an account. Unknown fields are passed over; times are milliseconds of server time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Channel {
    /// Never changes.
    pub id: ChannelId,
    /// The team that it belongs to; empty for a direct or a group channel.
    #[serde(default)]
    pub team_id: Box<str>,
    /// Who may see it.
    #[serde(rename = "type")]
    pub kind: ChannelKind,
    /// Its name in links, made of the members' ids for a direct channel.
    #[serde(default)]
    pub name: Box<str>,
    /// Its name for people; empty for a direct channel.
    #[serde(default)]
    pub display_name: Box<str>,
    /// When it was made.
    pub create_at: i64,
    /// When it was archived, or 0. Its posts can be read all the same (fact 26).
    #[serde(default)]
    pub delete_at: i64,
    /// When something last happened in it that is or was a post: edits and pins move it, deletions do
    /// not, and it may lag (fact 24). **Only a list is believed**: it is `None` in the answer about one
    /// channel, which the server caches.
    #[serde(default)]
    pub last_post_at: Option<i64>,
}

/// The kinds of channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelKind {
    /// Public in its team (`O`).
    Open,
    /// By invitation (`P`).
    Private,
    /// Between two accounts (`D`). In every team's list (fact 12).
    Direct,
    /// Between three accounts or more (`G`). In every team's list.
    Group,
    /// A kind of a newer server, as it spells it.
    Other(Box<str>),
}

impl<'de> Deserialize<'de> for ChannelKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = Cow::<str>::deserialize(deserializer)?;
        Ok(match &*kind {
            "O" => Self::Open,
            "P" => Self::Private,
            "D" => Self::Direct,
            "G" => Self::Group,
            other => Self::Other(other.into()),
        })
    }
}

impl Client {
    /// Lists every channel of the account, archived ones too (fact 26).
    ///
    /// It is one request where the server lists them all at once. Where it has no such route (fact 12) it
    /// is one for the teams and one for each team, and this client remembers that. **On such a server an
    /// account without a team gets an empty list**, its direct channels missing (fact 26).
    ///
    /// # Errors
    ///
    /// When one of the requests fails: a list is complete or none.
    pub async fn channels(&self, token: &Token) -> Result<RestResponse<Vec<Channel>>, RestError> {
        const ROUTE: &str = "/users/me/channels";
        if self.lists_by_team().get() {
            return self.channels_by_team(token).await;
        }
        match self.channel_list(ROUTE, ROUTE, token).await {
            Err(error) if error.id.as_deref() == Some(NO_ROUTE) => {
                self.lists_by_team().set(true);
                self.channels_by_team(token).await
            }
            answer => answer,
        }
    }

    /// Asks for one channel by its id, archived or not. Its `last_post_at` is left out (fact 24).
    ///
    /// # Errors
    ///
    /// Another's channel is [`RestErrorKind::Refused`] with 403, one that is nobody's
    /// [`RestErrorKind::NotFound`].
    pub async fn channel(&self, token: &Token, id: &ChannelId) -> Result<RestResponse<Channel>, RestError> {
        const ROUTE: &str = "/channels/{channel_id}";
        let path = format!("/channels/{}", percent_encode(id.as_str()));
        let answer = self.get_path(ROUTE, &path, Some(token), None).await?;
        let channel = Channel { last_post_at: None, ..answer.json(ROUTE)? };
        Ok(RestResponse { value: channel, rate: RateHeaders::read(&answer.headers) })
    }

    async fn channels_by_team(&self, token: &Token) -> Result<RestResponse<Vec<Channel>>, RestError> {
        const TEAMS: &str = "/users/me/teams";
        const ROUTE: &str = "/users/me/teams/{team_id}/channels";
        #[derive(Deserialize)]
        struct Team {
            id: Box<str>,
        }
        let answer = self.get(TEAMS, Some(token), None).await?;
        let teams: Vec<Team> = answer.json(TEAMS)?;
        let mut rate = RateHeaders::read(&answer.headers);
        let mut merged = BTreeMap::new();
        for team in teams {
            let path = format!("/users/me/teams/{}/channels", percent_encode(&team.id));
            let list = self.channel_list(ROUTE, &path, token).await?;
            rate = list.rate.or(rate);
            list.value.into_iter().for_each(|channel| merge(&mut merged, channel));
        }
        Ok(RestResponse { value: merged.into_values().collect(), rate })
    }

    async fn channel_list(
        &self,
        route: &'static str,
        path: &str,
        token: &Token,
    ) -> Result<RestResponse<Vec<Channel>>, RestError> {
        let path = format!("{path}?include_deleted=true");
        let read = |answer: RawResponse| {
            let list = answer
                .json(route)
                .map_err(|error| begun(&answer, route).unwrap_or(error).without(Some(token)))?;
            Ok(RestResponse { value: list, rate: RateHeaders::read(&answer.headers) })
        };
        match self.get_path(route, &path, Some(token), None).await.and_then(read) {
            Err(error) if is_empty(&error) => Ok(RestResponse { value: Vec::new(), rate: None }),
            answer => answer,
        }
    }
}

/// A direct channel comes in every team's list; the later `last_post_at` is what the lists know.
fn merge(merged: &mut BTreeMap<ChannelId, Channel>, channel: Channel) {
    match merged.entry(channel.id.clone()) {
        Entry::Vacant(free) => {
            free.insert(channel);
        }
        Entry::Occupied(mut known) => {
            let last_post_at = &mut known.get_mut().last_post_at;
            *last_post_at = channel.last_post_at.max(*last_post_at);
        }
    }
}

/// No channels at all are an error of their own, and no error (fact 26).
fn is_empty(error: &RestError) -> bool {
    error.kind == RestErrorKind::NotFound && error.id.as_deref().is_some_and(|id| id.starts_with(NO_CHANNELS))
}

/// The error that a newer server wrote into a list that it had begun to send with 200. It writes `[`
/// before it looks, so an account without channels gets this too: `[` and the error of fact 26.
fn begun(answer: &RawResponse, route: &'static str) -> Option<RestError> {
    let rest = answer.body.trim_ascii_start().strip_prefix(b"[")?;
    let status = serde_json::from_slice::<AppError>(rest).ok()?.status_code;
    let status = StatusCode::from_u16(status).ok().filter(|status| !status.is_success())?;
    Some(RestError::refused(status, &answer.headers, rest, route))
}
