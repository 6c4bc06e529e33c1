//! The channels of an account.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
};

use actix_http::StatusCode;
use serde::{Deserialize, Deserializer};

use super::{client::RawResponse, error::AppError};
use crate::{
    mattermost::{
        Client, RateHeaders, RestError, RestErrorKind, RestResponse, transport::url::percent_encode,
    },
    model::{ChannelId, Token},
};

/// The error id of a server that does not have the requested route.
const NO_ROUTE: &str = "api.context.404.app_error";

/// The prefix of the error ids for an account without any channel (fact 26).
const NO_CHANNELS: &str = "app.channel.get_channels.not_found";

/// A channel of an account. Unknown fields are ignored; times are milliseconds of server time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Channel {
    /// The channel's permanent id.
    pub id: ChannelId,
    /// The team it belongs to; empty for a direct or group channel.
    #[serde(default)]
    pub team_id: Box<str>,
    /// The kind, which decides who can see it.
    #[serde(rename = "type")]
    pub kind: ChannelKind,
    /// Its name in links; for a direct channel it is built from the members' ids.
    #[serde(default)]
    pub name: Box<str>,
    /// The name shown to people; empty for a direct channel.
    #[serde(default)]
    pub display_name: Box<str>,
    /// Its creation time.
    pub create_at: i64,
    /// The time at which it was archived, or 0. Posts of an archived channel can still be read (fact 26).
    #[serde(default)]
    pub delete_at: i64,
    /// The time of the latest change to one of its posts: edits and pins move it, deletions do not, and it
    /// may lag (fact 24). **Only lists provide it**: for a single channel it is always `None`, because the
    /// server caches that response.
    #[serde(default)]
    pub last_post_at: Option<i64>,
}

/// The kind of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelKind {
    /// Public within its team (`O`).
    Open,
    /// By invitation only (`P`).
    Private,
    /// Between two accounts (`D`). Every team's list contains it (fact 12).
    Direct,
    /// Between three or more accounts (`G`). Every team's list contains it.
    Group,
    /// A kind that a newer server introduced, as the server spells it.
    Other(Box<str>),
}

impl ChannelKind {
    /// Parses a kind as the server spells it.
    pub fn parse(letter: &str) -> Self {
        match letter {
            "O" => Self::Open,
            "P" => Self::Private,
            "D" => Self::Direct,
            "G" => Self::Group,
            other => Self::Other(other.into()),
        }
    }

    /// Returns the kind as the server spells it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Open => "O",
            Self::Private => "P",
            Self::Direct => "D",
            Self::Group => "G",
            Self::Other(letter) => letter,
        }
    }
}

impl<'de> Deserialize<'de> for ChannelKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&Cow::<str>::deserialize(deserializer)?))
    }
}

impl Client {
    /// Lists every channel of the account, including archived ones (fact 26).
    ///
    /// This takes one request if the server can list them all at once. On a server without that route
    /// (fact 12) it takes one request for the teams and one for each team, and the client remembers that.
    /// **On such a server an account without a team gets an empty list**, without its direct channels
    /// (fact 26).
    ///
    /// # Errors
    ///
    /// Fails if any of the requests fails: a list is never partial.
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
            response => response,
        }
    }

    /// Returns one channel by its id, archived or not, without its `last_post_at` (fact 24).
    ///
    /// # Errors
    ///
    /// A channel that the account cannot see is [`RestErrorKind::Refused`] with 403, one that does not
    /// exist [`RestErrorKind::NotFound`].
    pub async fn channel(&self, token: &Token, id: &ChannelId) -> Result<RestResponse<Channel>, RestError> {
        const ROUTE: &str = "/channels/{channel_id}";
        let path = format!("/channels/{}", percent_encode(id.as_str()));
        let response = self.get_path(ROUTE, &path, Some(token), None).await?;
        let channel = Channel { last_post_at: None, ..response.json(ROUTE)? };
        Ok(RestResponse { value: channel, rate: RateHeaders::read(&response.headers) })
    }

    async fn channels_by_team(&self, token: &Token) -> Result<RestResponse<Vec<Channel>>, RestError> {
        const TEAMS: &str = "/users/me/teams";
        const ROUTE: &str = "/users/me/teams/{team_id}/channels";
        #[derive(Deserialize)]
        struct Team {
            id: Box<str>,
        }
        let response = self.get(TEAMS, Some(token), None).await?;
        let teams: Vec<Team> = response.json(TEAMS)?;
        let mut rate = RateHeaders::read(&response.headers);
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
        let read = |response: RawResponse| {
            let list = response
                .json(route)
                .map_err(|error| embedded_error(&response, route).unwrap_or(error).redact(Some(token)))?;
            Ok(RestResponse { value: list, rate: RateHeaders::read(&response.headers) })
        };
        match self.get_path(route, &path, Some(token), None).await.and_then(read) {
            Err(error) if is_empty_list(&error) => Ok(RestResponse { value: Vec::new(), rate: None }),
            response => response,
        }
    }
}

/// Adds a channel to the merged lists. A direct channel is in every team's list; the latest `last_post_at`
/// counts.
fn merge(merged: &mut BTreeMap<ChannelId, Channel>, channel: Channel) {
    match merged.entry(channel.id.clone()) {
        Entry::Vacant(entry) => {
            entry.insert(channel);
        }
        Entry::Occupied(mut entry) => {
            let last_post_at = &mut entry.get_mut().last_post_at;
            *last_post_at = channel.last_post_at.max(*last_post_at);
        }
    }
}

/// True if the error only says that the account has no channels, which is not a failure (fact 26).
fn is_empty_list(error: &RestError) -> bool {
    error.kind == RestErrorKind::NotFound && error.id.as_deref().is_some_and(|id| id.starts_with(NO_CHANNELS))
}

/// Extracts the error that a newer server wrote into a list after it had sent the status 200. The server
/// writes `[` before its query, so an account without channels gets `[` and the error of fact 26.
fn embedded_error(response: &RawResponse, route: &'static str) -> Option<RestError> {
    let rest = response.body.trim_ascii_start().strip_prefix(b"[")?;
    let status = serde_json::from_slice::<AppError>(rest).ok()?.status_code;
    let status = StatusCode::from_u16(status).ok().filter(|status| !status.is_success())?;
    Some(RestError::from_status(status, &response.headers, rest, route))
}
