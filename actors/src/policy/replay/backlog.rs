//! Listed channels, and the parts of them that must be read.

use crate::{model::ChannelId, policy::Anchor};

/// A channel in a listing. Times are server milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct ListedChannel {
    /// The channel.
    pub(crate) channel: ChannelId,
    /// The creation time.
    pub(crate) create_at: i64,
    /// The time of the newest post, or later (fact 24).
    pub(crate) last_post_at: i64,
    /// True for a direct or group channel, which belongs to the account from its creation.
    pub(crate) is_direct: bool,
}

/// A channel that must be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChannelBacklog {
    /// The channel.
    pub(crate) channel: ChannelId,
    /// The point after which posts are read.
    pub(crate) from: Anchor,
    /// The time after which edits and deletions are read.
    pub(crate) edits_since: i64,
    /// The account's relation to the channel.
    pub(crate) kind: BacklogKind,
}

/// The relation of an account to a channel that must be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BacklogKind {
    /// The account was a member at the last listing.
    Known,
    /// The account joined after the last listing or shortly before: reading starts at its join post, if there is
    /// one.
    Joining,
    /// The list lacks the channel: the account may have left it, or be in no team (fact 26). Reading ends at its
    /// leave post.
    Unlisted,
}
