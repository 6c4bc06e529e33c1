//! The changes of the replay state that are saved.

use std::collections::BTreeMap;

use super::{ReplayState, mark};
use crate::model::{AccountChange, Changes, ChannelChange, ChannelId};

/// The most channels of one set of changes: what is collected at once does not delay the accounts of the same thread.
const CHANNELS_AT_ONCE: usize = 1_000;

impl ReplayState {
    /// True if anything is left to save.
    pub(crate) fn has_changes(&self) -> bool {
        !self.dirty.is_empty() || !self.absent.to_remove.is_empty() || self.account_is_dirty
    }

    /// True if a change of the channel is left to save.
    pub(crate) fn is_unsaved(&self, channel: &ChannelId) -> bool {
        self.channels.get(channel).is_some_and(|state| state.dirty)
    }

    /// Returns the changes since the last call, or a part of them if they are many: the account's own change comes with
    /// the last part. If they cannot be saved, they must be returned with `mark_unsaved`.
    pub fn take_changes(&mut self) -> Changes {
        if !self.has_changes() {
            return Changes::default();
        }
        let removed = self.absent.to_remove.len().min(CHANNELS_AT_ONCE);
        let removed = self.absent.to_remove.drain(..removed).map(|channel| (channel, ChannelChange::Removed));
        let mut channels: BTreeMap<_, _> = removed.collect();
        // A channel that came back is saved after its removal, or instead of it.
        if self.absent.to_remove.is_empty() {
            let changed = self.dirty.len().min(CHANNELS_AT_ONCE - channels.len());
            for channel in self.dirty.drain(..changed) {
                if let Some(state) = self.channels.get_mut(&channel).filter(|state| state.dirty) {
                    channels.insert(channel, state.take_change());
                }
            }
        }
        let is_last = self.dirty.is_empty() && self.absent.to_remove.is_empty();
        if is_last {
            self.dirty.shrink_to(CHANNELS_AT_ONCE);
            self.absent.to_remove.shrink_to(CHANNELS_AT_ONCE);
        }
        Changes { channels, account: is_last.then(|| self.take_account_change()), ..Changes::default() }
    }

    fn take_account_change(&mut self) -> AccountChange {
        self.begin_start_save();
        let is_record = self.account_is_dirty || !self.account_is_recorded;
        (self.account_is_dirty, self.account_is_recorded) = (false, true);
        if is_record {
            AccountChange::Record(self.account.clone())
        } else {
            AccountChange::ServerTime(self.account.server_time)
        }
    }

    /// Marks the changes of the given channels, and of the account, as pending again. The store may have any part of
    /// them, so the next changes are whole records.
    pub(crate) fn mark_unsaved(&mut self, channels: impl IntoIterator<Item = ChannelId>) {
        self.account_is_dirty = true;
        self.forget_start_save();
        for channel in channels {
            if let Some(state) = self.channels.get_mut(&channel) {
                state.mark_unsaved();
                mark(&mut self.dirty, &channel, state);
            } else {
                self.remove_from_store(channel);
            }
        }
    }
}
