//! The account's membership in a channel: leaving it and coming back.

use super::{ChannelState, Membership, TimeBounds};
use crate::model::Change;

impl ChannelState {
    /// Records that the last acknowledged post was made while the account was out.
    pub(in crate::policy::replay) fn was_out(&mut self) {
        self.was_out = true;
    }

    /// True if the account may not have been a member at the cursor.
    pub(in crate::policy::replay) fn has_unknown_begin(&self) -> bool {
        self.membership == Membership::Joining || (self.membership == Membership::Member && self.was_out)
    }

    /// Ends the membership once all admitted changes are acknowledged.
    pub(in crate::policy::replay) fn leave(&mut self, bounds: TimeBounds) {
        self.deferred.leave = true;
        self.settle_if_idle(bounds);
    }

    /// Records that the server sent a post of the channel: the account is a member, whatever was received before.
    /// Returns true if that ended its absence.
    pub(in crate::policy::replay) fn returned(&mut self) -> bool {
        let was_leaving =
            self.open.remove(&Change::Left).is_some() | std::mem::take(&mut self.deferred.leave);
        let had_left = self.membership == Membership::Left;
        if had_left {
            self.membership = Membership::Member;
        }
        was_leaving || had_left
    }

    /// Starts a new membership, whose posts are later than `begin`. If the former one ended about then or has a hole, reading
    /// goes on there: posts may become visible late, and those about leave and return tell what lies between.
    pub(in crate::policy::replay) fn rejoin(&mut self, begin: i64, bounds: TimeBounds) {
        self.deferred.leave = false;
        let newest = self.cursor.newest(bounds.latest);
        if self.hole.is_some() || begin <= newest.saturating_add(bounds.overlap_ms) {
            let is_known = self.hole.is_some() || self.cursor.anchor().post().is_some();
            self.membership = if is_known { Membership::Member } else { Membership::Joining };
            return;
        }
        self.cursor.begin_again(begin);
        self.edits.advance_to(begin);
        self.membership = Membership::Joining;
        self.is_recorded = false;
    }
}
