//! One authenticated request.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::Value;

use crate::rest::response::{ApiResponse, forbidden, invalid_param};
use crate::state::State;
use crate::wire::reply::AppError;
use crate::world::ids::is_id;

/// The request as a route gets it.
#[derive(Debug, Default)]
pub(crate) struct ApiRequest {
    /// The user that asks; empty on routes that need no token.
    pub(crate) user: String,
    /// The parts of the path by the `{name}` of the route.
    pub(crate) params: HashMap<&'static str, String>,
    pub(crate) query: HashMap<String, String>,
    pub(crate) body: Value,
    /// The body as it came.
    pub(crate) raw: Bytes,
    pub(crate) if_none_match: Option<String>,
}

/// The result of a route; an error is answered as the server's error object.
pub(crate) type RouteResult = Result<ApiResponse, AppError>;

impl ApiRequest {
    /// An id in the path; `me` is who asks.
    pub(crate) fn id(&self, name: &'static str) -> Result<&str, AppError> {
        match self.params.get(name).map(String::as_str) {
            Some("me") => Ok(&self.user),
            Some(id) if is_id(id) => Ok(id),
            _ => Err(invalid_param(name)),
        }
    }

    /// A text of the path as it is.
    pub(crate) fn param(&self, name: &'static str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// A text of the body, or nothing.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }

    /// A list of texts that is the whole body.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.body.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.query.get(name)?.parse().ok()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.query.get(name).is_some_and(|value| value == "true")
    }

    pub(crate) fn etag(&self) -> Option<&str> {
        self.if_none_match.as_deref()
    }
}

impl State {
    pub(crate) fn is_admin(&self, user: &str) -> bool {
        self.world.users.get(user).is_some_and(super::super::world::account::User::is_admin)
    }

    /// Passes who is an admin or the user itself.
    pub(crate) fn require_self(&self, request: &ApiRequest, user: &str) -> Result<(), AppError> {
        if request.user == user || self.is_admin(&request.user) { Ok(()) } else { Err(forbidden()) }
    }

    /// Passes an admin.
    pub(crate) fn require_admin(&self, request: &ApiRequest) -> Result<(), AppError> {
        if self.is_admin(&request.user) { Ok(()) } else { Err(forbidden()) }
    }

    /// Passes who has a permission (fact 39).
    pub(crate) fn require_permission(&self, request: &ApiRequest, permission: &str) -> Result<(), AppError> {
        let may = self.world.users.get(&request.user).is_some_and(|user| user.may(permission));
        if may { Ok(()) } else { Err(forbidden()) }
    }

    /// Passes members of a channel, and admins where there is one.
    pub(crate) fn require_member(&self, request: &ApiRequest, channel: &str) -> Result<(), AppError> {
        let exists = self.world.channels.contains_key(channel);
        if self.is_member(channel, &request.user) || (exists && self.is_admin(&request.user)) {
            Ok(())
        } else {
            Err(forbidden())
        }
    }
}
