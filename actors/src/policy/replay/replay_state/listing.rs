//! The part of the replay state that serves a round of a catch-up: its listing, and its end.

use std::collections::HashSet;

use super::{ReplayState, mark, new_channel::new_listed_channel};
use crate::{
    model::ChannelId,
    policy::replay::{
        backlog::{BacklogKind, ChannelBacklog, ListedChannel},
        channel::{ChannelState, Membership},
    },
};

impl ReplayState {
    /// Begins a listing made at the given server time or later. An incomplete one may lack channels of the account.
    pub(crate) fn begin_listing(&mut self, server_time: i64, is_complete: bool) {
        self.make_room();
        let lost_at = self.account.server_time;
        self.account.server_time = lost_at.max(server_time).min(self.earliest);
        (self.listing_at, self.listing_is_complete) = (self.account.server_time, is_complete);
        self.move_starts_back();
        // A channel that was active when the socket was lost is read even if the list shows nothing new: a post
        // that becomes visible after a later one, or after an edit, does not move last_post_at (facts 23, 24).
        let active = lost_at.saturating_sub(self.settings.overlap_ms);
        for state in self.channels.values_mut() {
            state.listed(None);
            state.due |= state.newest_activity > 0 && state.newest_activity >= active;
        }
    }

    /// Applies a part of a listing. Starts new channels, and returns those that must be read.
    pub(crate) fn list(&mut self, part: &[ListedChannel]) -> Vec<ChannelBacklog> {
        let newest = part.iter().map(|listed| listed.last_post_at).max().unwrap_or_default();
        self.account.server_time = self.account.server_time.max(newest.min(self.earliest));
        self.listing_at = self.account.server_time;
        part.iter().filter_map(|listed| self.backlog_of(listed)).collect()
    }

    fn backlog_of(&mut self, listed: &ListedChannel) -> Option<ChannelBacklog> {
        let bounds = self.bounds();
        let state = self.channel_state(listed);
        state.listed(Some(bounds.reached(listed.last_post_at)));
        // A post dated into the future holds last_post_at there: the channel is read each time.
        let moved = listed.last_post_at > state.seen_until || state.has_dropped_changes();
        if moved {
            state.newest_activity = state.newest_activity.max(listed.last_post_at.min(bounds.latest));
        }
        let backlog = ChannelBacklog {
            channel: listed.channel.clone(),
            from: state.cursor.anchor().clone(),
            // A deletion does not move last_post_at (fact 24).
            edits_since: state.edits.until(),
            kind: if state.has_unknown_begin() { BacklogKind::Joining } else { BacklogKind::Known },
        };
        ((moved || state.due || state.has_hole()) && !state.is_postponed()).then_some(backlog)
    }

    /// Returns the state of a listed channel, and creates it if necessary.
    pub(super) fn channel_state(&mut self, listed: &ListedChannel) -> &mut ChannelState {
        let (bounds, from, listed_at) = (self.bounds(), self.settings.from, self.account.listed_at);
        let state = self.channels.entry(listed.channel.clone()).or_insert_with(|| {
            let mut state = new_listed_channel(listed, listed_at, from, bounds);
            if let Some(time) = self.start.take_early(&listed.channel) {
                state.move_back(time);
            }
            mark(&mut self.dirty, &listed.channel, &mut state);
            self.absent.count += 1;
            Box::new(state)
        });
        if state.membership == Membership::Left {
            state.rejoin(listed_at.unwrap_or_default(), bounds);
            mark(&mut self.dirty, &listed.channel, state);
        }
        state
    }

    /// Ends a listing, and returns the channels that have a cursor but are missing from it.
    pub(crate) fn end_listing(&self) -> impl Iterator<Item = ChannelBacklog> {
        let is_missing = |state: &ChannelState| {
            !state.is_listed() && state.membership != Membership::Left && !state.is_postponed()
        };
        let missing = self.channels.iter().filter(move |(_, state)| is_missing(state));
        missing.map(|(channel, state)| ChannelBacklog {
            channel: channel.clone(),
            from: state.cursor.anchor().clone(),
            // No list says when it was changed.
            edits_since: state.edits.until(),
            kind: BacklogKind::Unlisted,
        })
    }

    /// Completes a round: everything that the last listing announced has been fetched, except in the skipped and the
    /// postponed channels. Channels that were absent for long are forgotten.
    pub(crate) fn finish_round(&mut self, skipped: &[ChannelId]) {
        let (skipped, bounds): (HashSet<&ChannelId>, _) = (skipped.iter().collect(), self.bounds());
        // A channel joined meanwhile begins before posts that came since; one that a listing lacked, at the one before.
        if self.listing_is_complete || self.is_new() {
            self.account.listed_at = Some(self.listing_at);
        }
        self.account_is_dirty = true;
        for (channel, state) in &mut self.channels {
            let is_told = self.listing_is_complete || state.is_listed();
            let is_newly_absent = is_told && state.absence.update(state.is_listed(), self.listing_at);
            let has_changed = if skipped.contains(channel) {
                state.skipped();
                true
            } else if state.is_postponed() {
                state.passed_over();
                false
            } else {
                state.fetched(bounds)
            };
            if is_newly_absent {
                state.mark_unsaved();
            }
            if has_changed || is_newly_absent {
                mark(&mut self.dirty, channel, state);
            }
        }
        self.forget_absent();
    }
}
