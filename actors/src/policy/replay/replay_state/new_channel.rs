//! The starting points of channels that an account did not have before.

use super::{
    super::{
        absence::FORGOTTEN_AFTER_MS,
        backlog::ListedChannel,
        channel::{ChannelState, Membership, TimeBounds},
    },
    StartFrom,
};
use crate::model::{AccountRecord, Change};

/// Creates a channel that the last listing did not contain. It starts at that listing, not at its first received
/// post: an earlier post may become visible later (fact 23). If that listing was incomplete, it may have lacked the channel,
/// so that the posts between them must be read.
pub(super) fn new_unlisted_channel(
    account: &AccountRecord,
    change: &Change,
    bounds: TimeBounds,
    listing_is_complete: bool,
) -> ChannelState {
    let first = match change {
        Change::Posted(post) => bounds.reached(post.create_at).saturating_sub(1),
        Change::Edited { .. } | Change::Deleted { .. } | Change::Left => account.server_time,
    };
    let begin = account.listed_at.map_or(first, |listed_at| listed_at.min(first));
    let mut state = ChannelState::starting_at(begin, begin, Membership::Joining, bounds.overlap_ms);
    if !listing_is_complete {
        state.add_hole();
    }
    state
}

/// Creates a channel that no earlier listing contained.
pub(super) fn new_listed_channel(
    listed: &ListedChannel,
    listed_at: Option<i64>,
    from: StartFrom,
    bounds: TimeBounds,
) -> ChannelState {
    let created = bounds.reached(listed.create_at).saturating_sub(1);
    let last_post_at = bounds.reached(listed.last_post_at);
    let (posts, edits, membership) = match (listed_at, from) {
        // On the first start, posts that already exist are not delivered.
        (None, StartFrom::Now) => (last_post_at, last_post_at, Membership::Member),
        (None, StartFrom::At(time)) => (time, last_post_at, Membership::Member),
        (Some(listed_at), _) if listed.is_direct => {
            // An older one was known and is forgotten. A listing lacked it meanwhile.
            let is_new = created > listed_at.saturating_sub(FORGOTTEN_AFTER_MS);
            let begin = if is_new { created } else { listed_at };
            (begin, begin, Membership::Member)
        }
        (Some(listed_at), _) => (listed_at, listed_at, Membership::Joining),
    };
    ChannelState::starting_at(posts, edits, membership, bounds.overlap_ms)
}
