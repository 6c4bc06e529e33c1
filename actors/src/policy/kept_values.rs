//! The values that an account's bot keeps, and which of them are not stored yet.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::model::{ChannelId, ChannelValues, Excerpt, StorageError, ValueChanges, put_values};

/// The most bytes of a key, without the name of the bot that it belongs to: a word and some ids.
const KEY_BYTES: usize = 256;

/// The most bytes of a value. A change writes the whole value, ten times a second in a busy channel.
const VALUE_BYTES: usize = 64 << 10;

/// The most bytes of a channel's values: the longest possible list of keys is still short.
const CHANNEL_BYTES: usize = 256 << 10;

/// The most bytes of an account's values. All of them are in memory, and read at the start.
const ACCOUNT_BYTES: usize = 16 << 20;

/// The memory of an entry besides its key and value, about.
const ENTRY_BYTES: usize = 64;

/// The values of one account by channel. The store, if there is one, has all of them but the unsaved ones.
#[derive(Debug, Default)]
pub struct KeptValues {
    channels: HashMap<ChannelId, ChannelValues>,
    bytes: usize,
    /// True if the changes go to a store.
    is_stored: bool,
    unsaved: BTreeMap<ChannelId, BTreeSet<Box<str>>>,
    /// The keys of the changes that are being stored.
    saving: BTreeMap<ChannelId, BTreeSet<Box<str>>>,
}

impl KeptValues {
    /// Restores the values from the store.
    pub(crate) fn restore(stored: BTreeMap<ChannelId, ChannelValues>) -> Self {
        let bytes = stored.values().map(size).sum();
        Self { channels: stored.into_iter().collect(), bytes, is_stored: true, ..Self::default() }
    }

    /// Returns the value of a key.
    pub(crate) fn get(&self, channel: &ChannelId, key: &str) -> Option<&Arc<str>> {
        self.channels.get(channel)?.get(key)
    }

    /// Returns the keys of a channel, in order.
    pub(crate) fn keys(&self, channel: &ChannelId) -> impl Iterator<Item = &str> {
        self.channels.get(channel).into_iter().flat_map(|values| values.keys().map(|key| &**key))
    }

    /// Checks a key without the name of the bot that it belongs to.
    pub(crate) fn check_key(key: &str) -> Result<(), StorageError> {
        if key.is_empty() || key.len() > KEY_BYTES || key.contains(char::is_control) {
            return Err(StorageError::Key { key: Excerpt::of(&key), limit: KEY_BYTES });
        }
        Ok(())
    }

    /// Checks that a value may be added to earlier changes of the channel.
    pub(crate) fn check(
        &self,
        channel: &ChannelId,
        earlier: &ValueChanges,
        key: &str,
        value: &str,
    ) -> Result<(), StorageError> {
        let named = || Excerpt::of(&key);
        if value.len() > VALUE_BYTES {
            return Err(StorageError::ValueTooLarge { key: named(), bytes: value.len(), limit: VALUE_BYTES });
        }
        let now = self.channels.get(channel).map_or(0, size);
        let (mut added, mut removed) = (0, 0);
        let earlier = earlier.iter().filter(|(changed, _)| &***changed != key);
        let changes = earlier.map(|(key, value)| (&**key, value.as_deref()));
        for (key, value) in changes.chain([(key, Some(value))]) {
            added += value.map_or(0, |value| entry_size(key, value));
            removed += self.get(channel, key).map_or(0, |value| entry_size(key, value));
        }
        if now + added - removed > CHANNEL_BYTES {
            return Err(StorageError::ChannelFull { key: named(), limit: CHANNEL_BYTES });
        }
        if self.bytes + added - removed > ACCOUNT_BYTES {
            return Err(StorageError::AccountFull { key: named(), limit: ACCOUNT_BYTES });
        }
        Ok(())
    }

    /// Applies the changes of a handler whose event was acknowledged.
    pub(crate) fn apply(&mut self, channel: &ChannelId, changes: ValueChanges) {
        if changes.is_empty() {
            return;
        }
        let values = self.channels.entry(channel.clone()).or_default();
        let before = size(values);
        if self.is_stored {
            self.unsaved.entry(channel.clone()).or_default().extend(changes.keys().cloned());
        }
        put_values(values, changes);
        self.bytes = self.bytes + size(values) - before;
        if values.is_empty() {
            self.channels.remove(channel);
        }
    }

    /// True if any change is not stored.
    pub(crate) fn has_changes(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// Returns the changes to store of the channels of which all acknowledgements are stored, too. The answer of the store
    /// is to be told by [`set_saved`](Self::set_saved).
    pub(crate) fn take_changes(
        &mut self,
        may_save: impl Fn(&ChannelId) -> bool,
    ) -> BTreeMap<ChannelId, ValueChanges> {
        let unsaved = std::mem::take(&mut self.unsaved);
        (self.saving, self.unsaved) = unsaved.into_iter().partition(|(channel, _)| may_save(channel));
        let changes = |(channel, keys): (&ChannelId, &BTreeSet<Box<str>>)| {
            let changes = keys.iter().map(|key| (key.clone(), self.get(channel, key).cloned()));
            (channel.clone(), changes.collect())
        };
        self.saving.iter().map(changes).collect()
    }

    /// True if changes of the channel are being stored.
    pub(crate) fn is_saving(&self, channel: &ChannelId) -> bool {
        self.saving.contains_key(channel)
    }

    /// Ends the storing of the last changes. If it failed, the next ones hold them again.
    pub(crate) fn set_saved(&mut self, is_saved: bool) {
        let saving = std::mem::take(&mut self.saving);
        if !is_saved {
            for (channel, keys) in saving {
                self.unsaved.entry(channel).or_default().extend(keys);
            }
        }
    }
}

fn size(values: &ChannelValues) -> usize {
    values.iter().map(|(key, value)| entry_size(key, value)).sum()
}

fn entry_size(key: &str, value: &str) -> usize {
    key.len() + value.len() + ENTRY_BYTES
}

#[cfg(test)]
mod tests;
