//! The storage of a bot, as the handler of one event has it.

use std::{borrow::Cow, mem, sync::Arc};

use parking_lot::Mutex;

use crate::{
    model::{BotName, ChannelId, StorageError, ValueChanges},
    policy::KeptValues,
};

/// The end of a bot's name in a key: no name of a bot contains it.
const SEPARATOR: char = '/';

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
    /// The changes of other handlers of the event that have accepted it.
    adopted: ValueChanges,
}

impl EventStorage {
    pub(crate) fn new(channel: ChannelId, kept: SharedValues) -> Self {
        Self(Some(Arc::new(Inner { channel, kept, handling: Mutex::default() })))
    }

    /// Returns a storage of values that begins empty and is in memory, to test sinks.
    pub fn in_memory(channel: ChannelId) -> Self {
        Self::new(channel, SharedValues::default())
    }

    /// Returns the storage of a handler for which nothing is kept.
    pub fn unavailable() -> Self {
        Self(None)
    }

    /// Returns the storage of another event, in the same memory. Returns nothing if a handler still has this one.
    pub(crate) fn reused(mut self, channel: &ChannelId) -> Option<Self> {
        let inner = Arc::get_mut(self.0.as_mut()?)?;
        inner.channel.clone_from(channel);
        *inner.handling.get_mut() = Handling::default();
        Some(self)
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
        self.put_for(None, key, value)
    }

    /// Sets the value of a key of one of several bots, as JSON. The limit is that of the key without the bot's name.
    pub(crate) fn put_for(
        &self,
        bot: Option<&BotName>,
        key: &str,
        value: impl Into<Arc<str>>,
    ) -> Result<(), StorageError> {
        let Inner { channel, kept, handling } = self.inner()?;
        let (value, mut handling) = (value.into(), handling.lock());
        if handling.has_ended {
            return Err(StorageError::Ended);
        }
        KeptValues::check_key(key)?;
        let key = kept_key(bot, key);
        kept.lock().check(channel, &handling.changes, &key, &value)?;
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

    /// Returns a storage of the same channel for one of several handlers of the event.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(self.0.as_ref().and_then(|inner| Self::new(inner.channel.clone(), inner.kept.clone()).0))
    }

    /// Takes over the changes of a handler that has accepted the event, which are kept even if another one rejects it.
    pub fn adopt(&self, fork: &Self) {
        if let (Some(inner), Some(fork)) = (&self.0, &fork.0) {
            let changes = {
                let mut handling = fork.handling.lock();
                handling.has_ended = true;
                mem::take(&mut handling.changes)
            };
            inner.handling.lock().adopted.extend(changes);
        }
    }

    /// Ends the handler: its changes are refused from now on. A sink calls it when the handler has returned.
    pub fn end(&self) {
        if let Some(inner) = &self.0 {
            inner.handling.lock().has_ended = true;
        }
    }

    /// Applies the changes of the handler, whose event is acknowledged.
    pub fn accept(&self) {
        if let Some(inner) = &self.0 {
            let mut handling = inner.handling.lock();
            handling.has_ended = true;
            let mut changes = mem::take(&mut handling.adopted);
            changes.append(&mut handling.changes);
            if !changes.is_empty() {
                inner.kept.lock().apply(&inner.channel, changes);
            }
        }
    }

    /// Applies the changes of those handlers that have accepted the event, which another one rejected.
    pub(crate) fn accept_adopted(&self) {
        if let Some(inner) = &self.0 {
            let mut handling = inner.handling.lock();
            handling.has_ended = true;
            inner.kept.lock().apply(&inner.channel, mem::take(&mut handling.adopted));
        }
    }
}

/// Returns the key under which a value is kept, beside those of other bots if the bot is one of several.
pub(crate) fn kept_key<'a>(bot: Option<&BotName>, key: &'a str) -> Cow<'a, str> {
    bot.map_or(Cow::Borrowed(key), |bot| format!("{}{SEPARATOR}{key}", bot.as_str()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(storage: &EventStorage, key: &str) -> Option<String> {
        storage.get(key).unwrap().map(|value| value.to_string())
    }

    #[test]
    fn the_changes_of_handlers_that_accepted_are_kept_and_those_of_others_are_not() {
        let kept = SharedValues::default();
        let storage = || EventStorage::new("town".into(), kept.clone());
        let (first, [accepted, failed]) = (storage(), [(); 2].map(|()| storage().fork()));
        accepted.put("a", "1").unwrap();
        failed.put("b", "1").unwrap();
        assert_eq!((value(&accepted, "b"), value(&failed, "a")), (None, None), "apart until then");
        first.adopt(&accepted);
        first.put("c", "1").unwrap();
        assert_eq!(accepted.put("a", "2"), Err(StorageError::Ended));
        first.accept_adopted();
        assert_eq!(["a", "b", "c"].map(|key| value(&storage(), key)), [Some("1".into()), None, None]);

        // The event comes again, to the handler that failed.
        let (second, again) = (storage(), storage().fork());
        again.put("b", "2").unwrap();
        again.delete("a").unwrap();
        second.adopt(&again);
        second.accept();
        assert_eq!(["a", "b"].map(|key| value(&storage(), key)), [None, Some("2".into())]);
        let none = EventStorage::unavailable();
        none.adopt(&none.fork());
        assert_eq!(none.fork().get("a"), Err(StorageError::Unavailable));
    }

    #[test]
    fn a_storage_is_used_again_once_no_handler_has_it() {
        let kept = SharedValues::default();
        let first = EventStorage::new("town".into(), kept.clone());
        first.put("a", "1").unwrap();
        let handler = first.clone();
        first.accept();
        assert!(first.reused(&"hall".into()).is_none(), "the handler may still call it");
        assert_eq!(handler.put("b", "1"), Err(StorageError::Ended));
        let second = handler.reused(&"hall".into()).unwrap();
        assert_eq!(
            (value(&second, "a"), second.put("b", "2")),
            (None, Ok(())),
            "of another channel, and of a new handler"
        );
        second.accept();
        let [town, hall] = ["town", "hall"].map(|channel| EventStorage::new(channel.into(), kept.clone()));
        assert_eq!(
            [(&town, "a"), (&town, "b"), (&hall, "b")].map(|(of, key)| value(of, key)),
            [Some("1".into()), None, Some("2".into())]
        );
        assert!(EventStorage::unavailable().reused(&"hall".into()).is_none());
    }
}
