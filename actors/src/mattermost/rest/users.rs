//! Who an account is, and how its baseline is read.

use serde::{Deserialize, Deserializer};

use crate::mattermost::Etag;
use crate::model::UserId;

/// The role of a guest, who does not see other users' `user_updated`.
const GUEST: &str = "system_guest";

/// What `GET /users/me` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Me {
    /// Nothing has changed since the answer whose ETag was sent (304, fact 9).
    Unmodified,
    /// The account as it is now.
    User {
        /// The account.
        user: User,
        /// The mark of this answer, for the next question.
        etag: Option<Etag>,
    },
}

/// A Mattermost account, as far as hosting it goes. Unknown fields are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct User {
    /// Never changes; a token that names another one is another account's.
    pub id: UserId,
    /// The name after the @. It can change.
    pub username: Box<str>,
    /// When the account was last touched, in milliseconds of server time. Disabling and enabling move
    /// it, but so do a new name or a new team (fact 7).
    pub update_at: i64,
    /// When it was disabled, in milliseconds of server time; 0 while it is enabled.
    #[serde(default)]
    pub delete_at: i64,
    /// Whether it is a guest.
    #[serde(default, rename = "roles", deserialize_with = "has_guest_role")]
    pub is_guest: bool,
    /// Whether it is a bot account; a person's account can be hosted too.
    #[serde(default)]
    pub is_bot: bool,
}

fn has_guest_role<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let roles = std::borrow::Cow::<str>::deserialize(deserializer)?;
    Ok(roles.split_ascii_whitespace().any(|role| role == GUEST))
}
