//! The end of what is kept of channels that listings lack.
//!
//! A channel that the account left long ago is forgotten, unless a part of it could not be read: what the account may still
//! have to fetch is kept. The number of channels that the last listing lacks is bounded, too, so that a server that invents
//! channels does not fill memory and store.

use super::ReplayState;
use crate::{
    model::ChannelId,
    policy::replay::channel::{ChannelState, Membership},
};

/// The most channels that are kept although the last listing lacks them. With those of a full list they stay within the memory
/// that one account may take.
pub(super) const MOST_ABSENT: usize = 10_000;

/// The most forgotten channels that wait to be removed from the store: all that one list and its successor can bring.
const MOST_REMOVALS: usize = 120_000;

/// The part of the absent channels that is kept when there are more, so that the search for the rest is rare.
const KEPT_ABSENT: usize = MOST_ABSENT / 10 * 9;

/// The channels that the last listing lacks, and those that were forgotten.
#[derive(Debug, Default)]
pub(super) struct AbsentChannels {
    /// An upper bound of the number of channels that the last complete listing lacks; new ones are among them.
    pub(super) count: usize,
    /// Forgotten channels that the store may still have.
    pub(super) to_remove: Vec<ChannelId>,
    /// The number of channels that were forgotten since it was last asked for.
    forgotten: usize,
}

impl ReplayState {
    /// Returns the number of channels that were forgotten since the last call.
    pub(crate) fn take_forgotten(&mut self) -> usize {
        std::mem::take(&mut self.absent.forgotten)
    }

    /// Forgets some channels if there are too many that the last complete listing lacks.
    pub(super) fn make_room(&mut self) {
        if self.absent.count > MOST_ABSENT {
            self.forget_surplus();
        }
    }

    /// Forgets channels that the account left long ago, and some if the last listing lacks too many.
    pub(super) fn forget_absent(&mut self) {
        let now = self.listing_at;
        let is_over =
            |state: &ChannelState| state.membership == Membership::Left && state.absence.is_over(now);
        let over = self.channels.iter().filter(|(_, state)| can_be_forgotten(state) && !state.has_hole());
        let over = over.filter(|(_, state)| is_over(state)).map(|(channel, _)| channel.clone()).collect();
        self.forget(over);
        self.absent.count = self.channels.values().filter(|state| state.absence.is_unlisted()).count();
        self.make_room();
    }

    /// Forgets the channels that are least likely to come back: those without unread parts before others, those that were
    /// left before others, and those without news for longest.
    fn forget_surplus(&mut self) {
        let absent = self.channels.iter().filter(|(_, state)| state.absence.is_unlisted());
        let mut ranked: Vec<_> = absent
            .map(|(channel, state)| {
                let is_member = state.membership != Membership::Left;
                let rank = (!can_be_forgotten(state), state.has_hole(), is_member, state.seen_until);
                (rank, channel)
            })
            .collect();
        ranked.sort_unstable();
        let absent = ranked.len();
        let surplus = absent.saturating_sub(KEPT_ABSENT);
        ranked.truncate(surplus);
        ranked.retain(|((is_needed, ..), _)| !is_needed);
        let surplus: Vec<_> = ranked.into_iter().map(|(_, channel)| channel.clone()).collect();
        self.absent.count = absent - surplus.len();
        self.forget(surplus);
    }

    fn forget(&mut self, channels: Vec<ChannelId>) {
        self.absent.forgotten += channels.len();
        for channel in channels {
            self.channels.remove(&channel);
            self.remove_from_store(channel);
        }
        self.dirty.retain(|channel| self.channels.contains_key(channel));
    }

    /// Removes a channel from the store with the next changes. While the store fails for long, what it has beyond the
    /// limit stays there until the next start.
    pub(super) fn remove_from_store(&mut self, channel: ChannelId) {
        if self.absent.to_remove.len() < MOST_REMOVALS {
            self.absent.to_remove.push(channel);
        }
    }
}

/// True if nothing of the channel is being delivered or fetched.
fn can_be_forgotten(state: &ChannelState) -> bool {
    state.open.is_empty() && !state.has_dropped_changes()
}
