//! The account of a token.

use std::borrow::Cow;

use awc::http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::bounded_text::bounded_text;
use crate::{
    mattermost::{Client, Etag, RateHeaders, RestError, RestResponse},
    model::{Token, UserId},
};

/// The role of guests, who do not receive `user_updated` about other users.
const GUEST: &str = "system_guest";
/// The role of administrators.
const ADMIN: &str = "system_admin";

/// The most words that are looked for in each post of an account.
const MOST_KEYWORDS: usize = 100;

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
#[serde(from = "Profile")]
pub struct User {
    /// The account's permanent id; a token with another id belongs to another account.
    pub id: UserId,
    /// The name after the @. It can change.
    pub username: Box<str>,
    /// The time of the last change, in milliseconds of server time. Disabling and enabling change it, and so
    /// do a new name or a new team (fact 7).
    pub update_at: i64,
    /// The time at which it was disabled, in milliseconds of server time; 0 while it is enabled.
    pub delete_at: i64,
    /// Its roles.
    pub roles: Roles,
    /// True for a bot account. Accounts of people can be hosted too.
    pub is_bot: bool,
    /// The words that mention the account besides its name. The server shows them to the account itself only.
    pub mention_keywords: MentionKeywords,
}

/// The words that mention a user, besides the name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MentionKeywords(pub Vec<Box<str>>);

/// A user as the server sends it.
#[derive(Deserialize)]
struct Profile {
    id: UserId,
    #[serde(deserialize_with = "bounded_text")]
    username: Box<str>,
    update_at: i64,
    #[serde(default)]
    delete_at: i64,
    #[serde(default)]
    roles: Roles,
    #[serde(default)]
    is_bot: bool,
    #[serde(default)]
    first_name: Value,
    #[serde(default)]
    notify_props: Value,
}

impl From<Profile> for User {
    fn from(profile: Profile) -> Self {
        let mention_keywords = MentionKeywords::of(&profile.first_name, &profile.notify_props);
        let Profile { id, username, update_at, delete_at, roles, is_bot, .. } = profile;
        Self { id, username, update_at, delete_at, roles, is_bot, mention_keywords }
    }
}

impl MentionKeywords {
    /// Returns the words of a profile. What is missing, or of another type, gives none.
    fn of(first_name: &Value, notify_props: &Value) -> Self {
        let setting = |name: &str| notify_props[name].as_str().unwrap_or_default();
        let keys = setting("mention_keys").split(',').map(str::trim);
        let first_name = Some(first_name.as_str().unwrap_or_default())
            .filter(|name| setting("first_name") == "true" && !name.is_empty());
        let words = keys.filter(|key| !key.is_empty()).chain(first_name);
        Self(words.take(MOST_KEYWORDS).map(Box::from).collect())
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_words_that_mention_a_user_are_read_from_its_profile() {
        let table = [
            (json!({}), vec![]),
            (json!({ "notify_props": { "mention_keys": " deploy,, on call ," } }), vec!["deploy", "on call"]),
            (json!({ "first_name": "Ada", "notify_props": { "first_name": "true" } }), vec!["Ada"]),
            (json!({ "first_name": "Ada", "notify_props": { "first_name": "false" } }), vec![]),
            (json!({ "first_name": "", "notify_props": { "first_name": "true" } }), vec![]),
            (
                json!({ "first_name": 7, "notify_props": { "first_name": "true", "mention_keys": null } }),
                vec![],
            ),
            (json!({ "first_name": null, "notify_props": "all" }), vec![]),
        ];
        for (mut profile, words) in table {
            profile["id"] = json!("u");
            profile["username"] = json!("ada");
            profile["update_at"] = json!(1);
            let user: User = serde_json::from_value(profile.clone()).unwrap();
            let found: Vec<&str> = user.mention_keywords.0.iter().map(AsRef::as_ref).collect();
            assert_eq!(found, words, "{profile}");
        }
    }
}
