//! The channels of an account.

mod list;

use serde::{Deserialize, Deserializer};

pub use self::list::ChannelList;
pub(super) use self::list::ChannelRows;
use super::{bounded_text::bounded_text, channel_lists::Asking, headers, row_splitter::Shape, teams::TEAMS};
use crate::{
    mattermost::{
        Client, RateHeaders, RestError, RestErrorKind, RestResponse, Team, transport::url::percent_encode,
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
    #[serde(default, deserialize_with = "bounded_text")]
    pub team_id: Box<str>,
    /// The kind, which decides who can see it.
    #[serde(rename = "type")]
    pub kind: ChannelKind,
    /// Its name in links; for a direct channel it is built from the members' ids.
    #[serde(default, deserialize_with = "bounded_text")]
    pub name: Box<str>,
    /// The name shown to people; empty for a direct channel.
    #[serde(default, deserialize_with = "bounded_text")]
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
        Ok(Self::parse(&bounded_text(deserializer)?))
    }
}

impl Client {
    /// Lists every channel of the account, including archived ones (fact 26).
    ///
    /// This takes one request if the server can list them all at once. On a server without that route
    /// (fact 12) it takes one request for the teams and one for each team, and all clients of the server remember that for a while.
    /// **On such a server an account without a team gets an empty list**, without its direct channels
    /// (fact 26).
    ///
    /// # Errors
    ///
    /// Fails if any of the requests fails: a list is never partial, but for rows that cannot be used and for channels
    /// beyond the limit, and it says so.
    pub async fn channels(&self, token: &Token) -> Result<RestResponse<ChannelList>, RestError> {
        self.channels_knowing(token, &[]).await
    }

    /// Lists every channel of the account as [`Self::channels`] does. On a server that lists them by team, it saves the request for
    /// the teams, unless the account has left one of those. `teams` are the ids of all its teams.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::channels`] does.
    pub async fn channels_knowing(
        &self,
        token: &Token,
        teams: &[Box<str>],
    ) -> Result<RestResponse<ChannelList>, RestError> {
        let asking = self.channel_lists().ask_for_all().await;
        let asked_at = tokio::time::Instant::now().into_std();
        let listed = match asking {
            Some(asking) => self.all_channels(token, asking).await?,
            None => None,
        };
        let mut listed = match listed {
            Some(listed) => listed,
            None => self.channels_by_team(token, teams).await?,
        };
        listed.value.asked_at = Some(asked_at);
        Ok(listed)
    }

    /// Lists all channels at once; `None` if the server has no such list.
    async fn all_channels(
        &self,
        token: &Token,
        asking: Asking<'_>,
    ) -> Result<Option<RestResponse<ChannelList>>, RestError> {
        const ROUTE: &str = "/users/me/channels";
        let mut rows = ChannelRows::answering(asking, self.limits().max_channels);
        let listed = self.read_channels(ROUTE, ROUTE, token, &mut rows).await;
        let asking = rows.take_asking();
        match listed {
            Ok(rate) => {
                // The server has no rows for an account without channels.
                asking.into_iter().for_each(Asking::found);
                Ok(Some(RestResponse { rate, value: rows.finish() }))
            }
            Err(error) if error.id.as_deref() == Some(NO_ROUTE) => {
                asking.into_iter().for_each(Asking::missing);
                Ok(None)
            }
            // It says nothing about the list: the server or the way to it is in trouble.
            Err(error) => Err(error),
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

    /// Lists the channels of these teams, or of those that the server names if there are none or one refuses.
    async fn channels_by_team(
        &self,
        token: &Token,
        known: &[Box<str>],
    ) -> Result<RestResponse<ChannelList>, RestError> {
        if !known.is_empty() {
            match self.channels_of_teams(token, known.to_vec(), None).await {
                Err(error) if matches!(error.kind, RestErrorKind::Refused(_) | RestErrorKind::NotFound) => {}
                listed => return listed,
            }
        }
        let (teams, rate, date) = self.teams_and_date(token).await?;
        let teams = teams.into_iter().map(|team| team.id).collect();
        let listed = self.channels_of_teams(token, teams, date).await?;
        Ok(RestResponse { rate: listed.rate.or(rate), ..listed })
    }

    async fn channels_of_teams(
        &self,
        token: &Token,
        teams: Vec<Box<str>>,
        date: Option<i64>,
    ) -> Result<RestResponse<ChannelList>, RestError> {
        const ROUTE: &str = "/users/me/teams/{team_id}/channels";
        let (mut rows, mut rate) = (ChannelRows::new(self.limits().max_channels), None);
        rows.set_date(date);
        for team in &teams {
            let path = format!("/users/me/teams/{}/channels", percent_encode(team));
            rate = self.read_channels(ROUTE, &path, token, &mut rows).await?.or(rate);
        }
        Ok(RestResponse { value: ChannelList { teams, ..rows.finish() }, rate })
    }

    /// Returns the teams of the account, the state of the rate limit and the date. The response is gone then: its headers keep the
    /// buffer alive that they were read into, and thousands of accounts may wait for their next request.
    async fn teams_and_date(
        &self,
        token: &Token,
    ) -> Result<(Vec<Team>, Option<RateHeaders>, Option<i64>), RestError> {
        let response = self.get(TEAMS, Some(token), None).await?;
        Ok((response.json(TEAMS)?, RateHeaders::read(&response.headers), headers::date(&response.headers)))
    }

    /// Reads one list of channels and returns the state of the rate limit.
    async fn read_channels(
        &self,
        route: &'static str,
        path: &str,
        token: &Token,
        rows: &mut ChannelRows<'_>,
    ) -> Result<Option<RateHeaders>, RestError> {
        let path = format!("{path}?include_deleted=true");
        let read = self.get_rows(route, &path, token, Shape::List, rows).await;
        let error = match (rows.take_error(), read) {
            (Some(app), Ok(_)) => RestError::embedded(&app, route).redact(Some(token)),
            (Some(app), Err(error))
                if error.kind == RestErrorKind::BadBody || error.kind == RestErrorKind::Unreachable =>
            {
                RestError::embedded(&app, route).redact(Some(token))
            }
            (_, Err(error)) => error,
            (None, Ok(response)) => {
                rows.set_date(headers::date(&response.headers));
                return Ok(RateHeaders::read(&response.headers));
            }
        };
        if is_empty_list(&error) { Ok(None) } else { Err(error) }
    }
}

/// True if the error only says that the account has no channels, which is not a failure (fact 26).
fn is_empty_list(error: &RestError) -> bool {
    error.kind == RestErrorKind::NotFound && error.id.as_deref().is_some_and(|id| id.starts_with(NO_CHANNELS))
}
