//! The values that bots keep, and why one is refused.

use std::{collections::BTreeMap, sync::Arc};

use crate::model::Excerpt;

/// The values of one channel by key, each as JSON.
pub type ChannelValues = BTreeMap<Box<str>, Arc<str>>;

/// Changes of the values of one channel by key: a new value as JSON, or none where it is deleted.
pub type ValueChanges = BTreeMap<Box<str>, Option<Arc<str>>>;

/// Applies changes to the values of a channel.
pub(crate) fn put_values(values: &mut ChannelValues, changes: ValueChanges) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(values.insert(key, value)),
            None => drop(values.remove(&key)),
        }
    }
}

/// The reason for which a value cannot be kept or read. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The key is empty, too long or has control characters.
    #[error("the key {key:?} cannot be used: a key has 1 to {limit} bytes, and no control characters")]
    Key {
        /// The key.
        key: Excerpt,
        /// The most bytes of a key.
        limit: usize,
    },
    /// The value is too large.
    #[error(
        "the value of {key:?} has {bytes} bytes as JSON, but at most {limit} are kept; split it, or keep it elsewhere"
    )]
    ValueTooLarge {
        /// The key.
        key: Excerpt,
        /// The size of the value.
        bytes: usize,
        /// The most bytes of a value.
        limit: usize,
    },
    /// The values of the channel would be too large together.
    #[error(
        "the values of this channel would exceed {limit} bytes with that of {key:?}; delete others first"
    )]
    ChannelFull {
        /// The key.
        key: Excerpt,
        /// The most bytes of a channel's values.
        limit: usize,
    },
    /// The values of the account would be too large together.
    #[error(
        "the values of this account, in all channels, would exceed {limit} bytes with that of {key:?}; delete others first"
    )]
    AccountFull {
        /// The key.
        key: Excerpt,
        /// The most bytes of an account's values.
        limit: usize,
    },
    /// The value does not fit the type that is asked for, or has no form in JSON.
    #[error("the value of {key:?} cannot be read or written as that type: {cause}")]
    Json {
        /// The key.
        key: Excerpt,
        /// The problem.
        cause: Excerpt,
    },
    /// The handler has ended, and its changes with it.
    #[error("the handler has ended: keep values before it returns")]
    Ended,
    /// Nothing keeps values for the handler.
    #[error(
        "there is no storage here: a schedule's run belongs to no channel, slash commands, buttons and dialogs go past \
         the channel's other events, and not every host's store keeps values"
    )]
    Unavailable,
}
