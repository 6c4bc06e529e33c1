//! News about a user.

use super::{ServerName, UserId};

/// A change of a user of a server, which the server reports by `user_updated`: the user was disabled, enabled or renamed, for
/// instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserChange {
    /// The server.
    pub server: ServerName,
    /// The user.
    pub user: UserId,
    /// The user's new `update_at`, in milliseconds of server time.
    pub update_at: i64,
}
