//! The storage of a bot, as the handler of one event has it.

use std::{mem, sync::Arc};

use parking_lot::Mutex;

use crate::{
    model::{ChannelId, StorageError, ValueChanges},
    policy::KeptValues,
};

/// The values of one account, shared by its Delivery and its handlers. The lock is never held across an `.await`.
pub(crate) type SharedValues = Arc<Mutex<KeptValues>>;

/// The values of an event's channel, for its handler. The handler's changes take effect when the event is acknowledged, and
/// are stored together with the acknowledgement. Clones are the same storage.
#[derive(Debug, Clone, Default)]
pub struct EventStorage(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    channel: ChannelId,
    kept: SharedValues,
    handling: Mutex<Handling>,
}

/// The state of the handler.
#[derive(Debug, Default)]
struct Handling {
    changes: ValueChanges,
    has_ended: bool,
}

impl EventStorage {
    pub(crate) fn new(channel: ChannelId, kept: SharedValues) -> Self {
        Self(Some(Arc::new(Inner { channel, kept, handling: Mutex::default() })))
    }

    /// Returns the storage of a handler for which nothing is kept.
    pub fn unavailable() -> Self {
        Self(None)
    }

    fn inner(&self) -> Result<&Inner, StorageError> {
        self.0.as_deref().ok_or(StorageError::Unavailable)
    }

    /// Returns the value of a key as JSON, with the handler's own changes.
    ///
    /// # Errors
    /// If there is no storage.
    pub fn get(&self, key: &str) -> Result<Option<Arc<str>>, StorageError> {
        let Inner { channel, kept, handling } = self.inner()?;
        if let Some(changed) = handling.lock().changes.get(key) {
            return Ok(changed.clone());
        }
        Ok(kept.lock().get(channel, key).cloned())
    }

    /// Returns the keys that have a value, in order.
    ///
    /// # Errors
    /// If there is no storage.
    pub fn keys(&self) -> Result<Vec<String>, StorageError> {
        let Inner { channel, kept, handling } = self.inner()?;
        let changes = handling.lock().changes.clone();
        let mut keys: Vec<String> = kept.lock().keys(channel).map(str::to_owned).collect();
        keys.retain(|key| !changes.contains_key(&**key));
        keys.extend(changes.into_iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key.into()));
        keys.sort_unstable();
        Ok(keys)
    }

    /// Sets the value of a key, as JSON.
    ///
    /// # Errors
    /// If the key or the value is refused, the handler has ended, or there is no storage.
    pub fn put(&self, key: &str, value: impl Into<Arc<str>>) -> Result<(), StorageError> {
        let Inner { channel, kept, handling } = self.inner()?;
        let (value, mut handling) = (value.into(), handling.lock());
        if handling.has_ended {
            return Err(StorageError::Ended);
        }
        kept.lock().check(channel, &handling.changes, key, &value)?;
        handling.changes.insert(key.into(), Some(value));
        Ok(())
    }

    /// Deletes the value of a key, if there is one.
    ///
    /// # Errors
    /// If the handler has ended, or there is no storage.
    pub fn delete(&self, key: &str) -> Result<(), StorageError> {
        let Inner { channel, kept, handling } = self.inner()?;
        let mut handling = handling.lock();
        if handling.has_ended {
            return Err(StorageError::Ended);
        }
        if kept.lock().get(channel, key).is_some() {
            handling.changes.insert(key.into(), None);
        } else {
            handling.changes.remove(key);
        }
        Ok(())
    }

    /// Ends the handler: its changes are refused from now on. A sink calls it when the handler has returned.
    pub fn end(&self) {
        if let Some(inner) = &self.0 {
            inner.handling.lock().has_ended = true;
        }
    }

    /// Applies the changes of the handler, whose event is acknowledged.
    pub(crate) fn accept(&self) {
        if let Some(inner) = &self.0 {
            let mut handling = inner.handling.lock();
            handling.has_ended = true;
            inner.kept.lock().apply(&inner.channel, mem::take(&mut handling.changes));
        }
    }
}
