//! The replay state of one account, shared by its actors.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;

use crate::{
    model::{AccountName, Changes, ChannelId},
    policy::{KeptValues, ReplaySettings, ReplayState},
    ports::{CursorStore, EventStorage, SharedValues, StoreError},
};

/// The replay state of one account and the values of its bot, with their store. It outlives Connections and a dead Delivery;
/// the store outlives the process. The lock is never held across an `.await`.
#[derive(Clone)]
pub(super) struct SharedReplay(Arc<Inner>);

struct Inner {
    replay: Mutex<ReplayState>,
    values: SharedValues,
    store: Option<Arc<dyn CursorStore>>,
    is_loaded: AtomicBool,
}

impl SharedReplay {
    pub(super) fn new(settings: ReplaySettings, store: Option<Arc<dyn CursorStore>>) -> Self {
        let is_loaded = AtomicBool::new(store.is_none());
        let (replay, values) = (Mutex::new(ReplayState::new(settings)), SharedValues::default());
        Self(Arc::new(Inner { replay, values, store, is_loaded }))
    }

    pub(super) fn with<T>(&self, f: impl FnOnce(&mut ReplayState) -> T) -> T {
        f(&mut self.0.replay.lock())
    }

    pub(super) fn store(&self) -> Option<&Arc<dyn CursorStore>> {
        self.0.store.as_ref()
    }

    /// Returns the storage for the handler of one event of a channel. Without a store, values are kept in memory.
    pub(super) fn storage(&self, channel: &ChannelId) -> EventStorage {
        match self.store() {
            Some(store) if !store.keeps_values() => EventStorage::unavailable(),
            Some(_) | None => EventStorage::new(channel.clone(), self.0.values.clone()),
        }
    }

    /// True while the start of a new account is not in its store: a kill would move it, and lose what came between.
    pub(super) fn has_unsaved_start(&self) -> bool {
        self.store().is_some() && self.with(|replay| replay.has_unsaved_start())
    }

    /// True if anything is left to save.
    pub(super) fn has_changes(&self) -> bool {
        self.with(|replay| replay.has_changes()) || self.0.values.lock().has_changes()
    }

    /// Returns the changes to save, or a part of them if they are many. The values of a channel come together with the
    /// acknowledgements that they belong to.
    pub(super) fn take_changes(&self) -> Changes {
        self.with(|replay| {
            let changes = replay.take_changes();
            let values = self.0.values.lock().take_changes(|channel| !replay.is_unsaved(channel));
            Changes { values, ..changes }
        })
    }

    /// Ends the saving of the last changes, which were of these channels.
    pub(super) fn set_saved(&self, channels: Vec<ChannelId>, is_saved: bool) {
        self.0.values.lock().set_saved(is_saved);
        self.with(|replay| if is_saved { replay.mark_saved() } else { replay.mark_unsaved(channels) });
    }

    /// Forgets what a Delivery that is gone took and did not acknowledge. The outcome of its last save is not known: values
    /// are saved again, together with the acknowledgements of their channels.
    pub(super) fn forget_unacknowledged(&self) {
        self.with(|replay| {
            let mut values = self.0.values.lock();
            replay.forget_unacknowledged(|channel| values.is_saving(channel));
            values.set_saved(false);
        });
    }

    /// Restores the state from the store. Does nothing after the first success.
    pub(super) async fn load(&self, account: &AccountName) -> Result<(), StoreError> {
        let Some(store) = self.store().filter(|_| !self.0.is_loaded.load(Ordering::Acquire)) else {
            return Ok(());
        };
        let mut records = store.load(account).await?;
        *self.0.values.lock() = KeptValues::restore(std::mem::take(&mut records.values));
        self.with(|replay| *replay = ReplayState::restore(*replay.settings(), records));
        self.0.is_loaded.store(true, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Change, PostKey},
        ports::MemoryStore,
    };

    #[test]
    fn values_of_a_save_without_an_outcome_are_saved_again_with_their_channel() {
        let settings = crate::hosting::CatchUpSettings::default().replay_settings();
        let replay = SharedReplay::new(settings, Some(Arc::new(MemoryStore::default())));
        *replay.0.values.lock() = KeptValues::restore([].into());
        let channel = ChannelId::from("town");
        let post = Change::Posted(PostKey { create_at: 1, id: "p".into() });
        let storage = replay.storage(&channel);
        storage.put("count", "1").unwrap();
        storage.accept();
        replay.with(|state| {
            state.admit(&channel, &post);
            state.acknowledge(&channel, post);
        });
        let lost = replay.take_changes();
        assert!(lost.values.contains_key(&channel) && !replay.has_changes());
        replay.forget_unacknowledged();
        let again = replay.take_changes();
        assert_eq!(again.values, lost.values);
        assert!(again.channels.contains_key(&channel), "a count without its acknowledgement would be wrong");
    }
}
