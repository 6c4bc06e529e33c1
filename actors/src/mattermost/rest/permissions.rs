//! The roles of an account and the permissions that they give.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    ops::ControlFlow,
};

use actix_http::Method;
use serde::Deserialize;

use super::row_splitter::{RowKey, Rows, Shape};
use crate::{
    mattermost::{Client, RateHeaders, RestError, RestResponse, transport::url::percent_encode},
    model::{ChannelId, Token},
};

/// The most different roles that are kept of one account, and asked for in one request. The server takes as many.
const MAX_ROLES: usize = 100;

/// The permissions of some roles, by the role's name.
pub type RolePermissions = BTreeMap<Box<str>, BTreeSet<Box<str>>>;

/// The roles that an account has in a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamRoles {
    /// The team's id.
    pub team: Box<str>,
    /// The names of the roles.
    pub roles: BTreeSet<Box<str>>,
}

/// Channels of a team in which an account has the same roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRoles {
    /// One of the channels.
    pub channel: ChannelId,
    /// The number of channels.
    pub channels: usize,
    /// The names of the roles.
    pub roles: BTreeSet<Box<str>>,
}

/// The row of a membership. `roles` is a list of names, separated by spaces.
#[derive(Deserialize)]
struct Membership {
    #[serde(default)]
    team_id: Box<str>,
    #[serde(default)]
    channel_id: ChannelId,
    roles: String,
    #[serde(default)]
    delete_at: i64,
}

/// The memberships of an account in channels, counted by their roles.
#[derive(Default)]
struct ChannelRows(BTreeMap<String, (ChannelId, usize)>);

impl Rows for ChannelRows {
    fn wants(&mut self, _: &RowKey) -> bool {
        true
    }

    fn take(&mut self, _: &RowKey, json: &[u8]) -> ControlFlow<()> {
        // A row that cannot be read says nothing about the others.
        if let Ok(row) = serde_json::from_slice::<Membership>(json) {
            let is_full = self.0.len() >= MAX_ROLES;
            match self.0.entry(row.roles) {
                Entry::Occupied(mut entry) => entry.get_mut().1 += 1,
                Entry::Vacant(entry) if !is_full => drop(entry.insert((row.channel_id, 1))),
                Entry::Vacant(_) => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn take_too_long(&mut self, _: &RowKey) {}
}

impl Client {
    /// Returns the roles that the account has on the whole server.
    ///
    /// # Errors
    ///
    /// Fails if the request fails.
    pub async fn own_roles(&self, token: &Token) -> Result<RestResponse<BTreeSet<Box<str>>>, RestError> {
        const ROUTE: &str = "/users/me";
        let response = self.get(ROUTE, Some(token), None).await?;
        let user: Membership = response.json(ROUTE)?;
        Ok(RestResponse { value: names(&user.roles), rate: RateHeaders::read(&response.headers) })
    }

    /// Returns the teams that the account is a member of, with its roles.
    ///
    /// # Errors
    ///
    /// Fails if the request fails.
    pub async fn team_roles(&self, token: &Token) -> Result<RestResponse<Vec<TeamRoles>>, RestError> {
        const ROUTE: &str = "/users/me/teams/members";
        let response = self.get(ROUTE, Some(token), None).await?;
        let rows: Vec<Membership> = response.json(ROUTE)?;
        let rows = rows.into_iter().filter(|row| row.delete_at == 0);
        let value = rows.map(|row| TeamRoles { team: row.team_id, roles: names(&row.roles) }).collect();
        Ok(RestResponse { value, rate: RateHeaders::read(&response.headers) })
    }

    /// Returns the roles that the account has in the channels of a team, direct and group channels among them.
    ///
    /// # Errors
    ///
    /// Fails if the request fails.
    pub async fn channel_roles(
        &self,
        token: &Token,
        team: &str,
    ) -> Result<RestResponse<Vec<ChannelRoles>>, RestError> {
        const ROUTE: &str = "/users/me/teams/{team_id}/channels/members";
        let path = format!("/users/me/teams/{}/channels/members", percent_encode(team));
        let mut rows = ChannelRows::default();
        let response = self.get_rows(ROUTE, &path, token, Shape::List, &mut rows).await?;
        let roles = rows.0.into_iter().map(|(roles, (channel, channels))| ChannelRoles {
            channel,
            channels,
            roles: names(&roles),
        });
        Ok(RestResponse { value: roles.collect(), rate: RateHeaders::read(&response.headers) })
    }

    /// Returns the permissions of roles. A role that the server does not know is missing.
    ///
    /// # Errors
    ///
    /// Fails if the request fails.
    pub async fn permissions_of(
        &self,
        token: &Token,
        roles: &BTreeSet<Box<str>>,
    ) -> Result<RestResponse<RolePermissions>, RestError> {
        const ROUTE: &str = "/roles/names";
        #[derive(Deserialize)]
        struct Role {
            name: Box<str>,
            permissions: BTreeSet<Box<str>>,
        }
        let wanted: Vec<_> = roles.iter().take(MAX_ROLES).collect();
        let response = self.write(Method::POST, ROUTE, ROUTE, token, &wanted).await?;
        let rows: Vec<Role> = response.json(ROUTE)?;
        let value = rows.into_iter().map(|role| (role.name, role.permissions)).collect();
        Ok(RestResponse { value, rate: RateHeaders::read(&response.headers) })
    }
}

fn names(roles: &str) -> BTreeSet<Box<str>> {
    roles.split_ascii_whitespace().take(MAX_ROLES).map(Into::into).collect()
}
