//! Names and ids, each a separate type so that they cannot be confused.

mod id_text;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::id_text::IdText;

/// The longest name of an account or a server, in bytes. A name is a key of the configuration, a label of every metric
/// and part of each event's source.
const MAX_NAME_BYTES: usize = 128;

/// The separator in the name of a bot that is made for an account or a server. No other name contains it.
const INSTANCE: char = '@';

/// The longest id, in bytes. Mattermost's have 26 characters.
const MAX_ID_BYTES: usize = 64;

/// A text that is not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}; {}", self.what(), self.remedy())]
pub struct NameError {
    name: String,
}

impl NameError {
    /// Describes the problem.
    pub fn what(&self) -> String {
        format!("{:?} is not a valid name", self.name)
    }

    /// Describes the way to fix it.
    pub fn remedy(&self) -> String {
        format!("use 1 to {MAX_NAME_BYTES} letters, digits, '-', '_' or '.'")
    }
}

fn check_name(name: &str) -> Result<Arc<str>, NameError> {
    let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    // In a path of the API these would mean a directory.
    let is_dot_segment = matches!(name, "." | "..");
    if name.is_empty() || is_dot_segment || name.len() > MAX_NAME_BYTES || !name.chars().all(is_allowed) {
        let name = name.chars().take(MAX_NAME_BYTES).collect();
        return Err(NameError { name });
    }
    Ok(name.into())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Creates a name from its spelling in the configuration.
            ///
            /// # Errors
            ///
            /// Fails if it is empty, too long, `.` or `..`, or contains anything but letters, digits, `-`, `_` and `.`.
            pub fn new(name: &str) -> Result<Self, NameError> {
                check_name(name).map(Self)
            }

            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

name! {
    /// The name of a bot account in the configuration; unique within a host.
    AccountName
}

name! {
    /// The name of a Mattermost server in the configuration.
    ServerName
}

/// The name that tells the bots of an account apart: the name of a sink, or `SINK@ACCOUNT` for a sink that is made for an account
/// or a server. It is a part of the keys of the bot's posts and values, and no two names make the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotName(Arc<str>);

impl BotName {
    /// Creates a name.
    ///
    /// # Errors
    ///
    /// Fails if it, or its part on either side of an `@`, is no valid name, as for [`AccountName::new`].
    pub fn new(name: &str) -> Result<Self, NameError> {
        match name.split_once(INSTANCE) {
            Some((sink, account)) => check_name(sink).and(check_name(account)).map(|_| Self(name.into())),
            None => check_name(name).map(Self),
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A map by ids. An event is looked up in several of them, so the hash is a fast one; it is seeded, because the server makes
/// the ids.
pub(crate) type IdMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A set of ids, hashed as in [`IdMap`].
pub(crate) type IdSet<K> = HashSet<K, foldhash::fast::RandomState>;

/// A text that is not a valid id. The error does not contain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an id is longer than {MAX_ID_BYTES} bytes or holds other characters than letters, digits, '-' and '_'"
)]
pub struct IdError;

/// Checks an id of a server. It becomes part of URLs, of keys of the state and of log lines.
///
/// # Errors
///
/// Fails if it is longer than any server's or contains anything but letters, digits, `-` and `_`. Empty stands for no id.
pub fn check_id(id: &str) -> Result<&str, IdError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if id.len() > MAX_ID_BYTES || !id.bytes().all(is_allowed) { Err(IdError) } else { Ok(id) }
}

macro_rules! id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $type(IdText);

        impl $type {
            /// Returns the id as the server spells it.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl From<&str> for $type {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let id = std::borrow::Cow::<str>::deserialize(deserializer)?;
                check_id(&id).map(Self::from).map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

id! {
    /// A Mattermost user id.
    UserId
}

id! {
    /// A Mattermost channel id; empty for an event that belongs to no channel.
    ChannelId
}

id! {
    /// A Mattermost post id.
    PostId
}

/// The number of a Connection of its account, counted from 1. Messages of an older generation are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// Returns the next generation.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_letters_digits_and_three_signs() {
        for good in ["helpdesk", "...", "ops-1", "a.b_c", "büro", "x"] {
            assert_eq!(AccountName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a b", "../etc", "a\nb", "a/b", &"x".repeat(129)] {
            assert!(AccountName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_name_of_a_bot_is_that_of_a_sink() {
        let longest = format!("{0}@{0}", "x".repeat(128));
        for good in ["desk", "desk@helpdesk", &longest] {
            assert_eq!(BotName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "@", "desk@", "@a", "a@b@c", "a/b", "a#0", "a b", "a@b/c", &"x".repeat(129)] {
            assert!(BotName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_is_short_and_plain() {
        for good in ["", "p7zr5u4yqffydrnsk1tcbz8f9h", "post-1", "a_b", &"x".repeat(64)] {
            assert_eq!(serde_json::from_value::<PostId>(good.into()).unwrap().as_str(), good);
        }
        for bad in ["a b", "../users", "a\u{1b}[2J", "ä", "a\n", &"x".repeat(65)] {
            let error = serde_json::from_value::<PostId>(bad.into()).unwrap_err().to_string();
            assert!(
                error.starts_with("an id is longer than 64 bytes or holds") && !error.contains(bad),
                "{error}"
            );
        }
    }
}
