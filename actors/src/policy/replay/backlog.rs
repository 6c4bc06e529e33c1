//! What a listing shows, and what is to be read of it.

use crate::{model::ChannelId, policy::Anchor};

/// A channel as a listing shows it. Times are server milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct ListedChannel {
    /// The channel.
    pub(crate) channel: ChannelId,
    /// When it was made.
    pub(crate) create_at: i64,
    /// Its newest post's time, or past it (fact 24).
    pub(crate) last_post_at: i64,
    /// Whether it is a direct or group channel, which is all the account's from its beginning.
    pub(crate) is_direct: bool,
}

/// A channel to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChannelBacklog {
    /// The channel.
    pub(crate) channel: ChannelId,
    /// Where its posts begin.
    pub(crate) from: Anchor,
    /// Edits and deletions later than this are wanted, too; none where `last_post_at` has not moved.
    pub(crate) edits_since: Option<i64>,
    /// How the account came by it.
    pub(crate) kind: BacklogKind,
}

/// How an account came by a channel that is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BacklogKind {
    /// It was in it at the last listing.
    Known,
    /// It came in since, or a moment before: what is wanted begins at its join post, if there is one.
    Joining,
    /// The list lacks it: it may have left, or be in no team (fact 26). What is wanted ends at its leave post.
    Unlisted,
}
