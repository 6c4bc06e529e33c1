//! The account of a token.

use std::borrow::Cow;

use awc::http::StatusCode;
use serde::{Deserialize, Deserializer};

use super::bounded_text::bounded_text;
use crate::{
    mattermost::{Client, Etag, RateHeaders, RestError, RestResponse},
    model::{Token, UserId},
};

/// The role of guests, who do not receive `user_updated` about other users.
const GUEST: &str = "system_guest";
/// The role of administrators.
const ADMIN: &str = "system_admin";

/// The response to `GET /users/me`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Me {
    /// Nothing has changed since the response with the given ETag (304, fact 9).
    Unmodified,
    /// The account's current state.
    User {
        /// The account.
        user: User,
        /// The tag of this response, for the next request.
        etag: Option<Etag>,
    },
}

/// A Mattermost account, with the fields needed to host it. Unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct User {
    /// The account's permanent id; a token with another id belongs to another account.
    pub id: UserId,
    /// The name after the @. It can change.
    #[serde(deserialize_with = "bounded_text")]
    pub username: Box<str>,
    /// The time of the last change, in milliseconds of server time. Disabling and enabling change it, and so
    /// do a new name or a new team (fact 7).
    pub update_at: i64,
    /// The time at which it was disabled, in milliseconds of server time; 0 while it is enabled.
    #[serde(default)]
    pub delete_at: i64,
    /// Its roles.
    #[serde(default)]
    pub roles: Roles,
    /// True for a bot account. Accounts of people can be hosted too.
    #[serde(default)]
    pub is_bot: bool,
}

impl Client {
    /// Returns the account of the token. With the `etag` of an earlier response, an unchanged account
    /// costs an empty 304 (fact 9).
    ///
    /// # Errors
    ///
    /// A 401 is [`Unauthorized`](crate::mattermost::RestErrorKind::Unauthorized), also for a disabled
    /// account (fact 8).
    pub async fn me(&self, token: &Token, etag: Option<&Etag>) -> Result<RestResponse<Me>, RestError> {
        const ROUTE: &str = "/users/me";
        let response = self.get(ROUTE, Some(token), etag).await?;
        let rate = RateHeaders::read(&response.headers);
        if response.status == StatusCode::NOT_MODIFIED {
            return Ok(RestResponse { value: Me::Unmodified, rate });
        }
        let user: User = response.json(ROUTE)?;
        let etag = Etag::read(&response.headers);
        Ok(RestResponse { value: Me::User { user, etag }, rate })
    }
}

/// The roles of an account that matter to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles {
    /// True for a guest.
    pub is_guest: bool,
    /// True for an administrator of the server, whose token can do anything.
    pub is_admin: bool,
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let roles = Cow::<str>::deserialize(deserializer)?;
        let has = |wanted: &str| roles.split_ascii_whitespace().any(|role| role == wanted);
        Ok(Self { is_guest: has(GUEST), is_admin: has(ADMIN) })
    }
}
