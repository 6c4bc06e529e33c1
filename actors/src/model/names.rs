//! Names and ids, each a type of its own so that none can stand for another.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name an account or a server may have, in bytes: it is a key of the configuration, a label of every
/// metric and a part of each event's source.
const MAX_NAME_BYTES: usize = 128;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a usable name: use 1 to {MAX_NAME_BYTES} letters, digits, '-', '_' or '.'")]
pub struct NameError {
    name: String,
}

fn checked(name: &str) -> Result<Arc<str>, NameError> {
    let usable = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    // In a path of the API they would be taken for steps.
    let is_step = matches!(name, "." | "..");
    if name.is_empty() || is_step || name.len() > MAX_NAME_BYTES || !name.chars().all(usable) {
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
            /// Takes a name as the configuration spells it.
            ///
            /// # Errors
            /// When it is empty, too long, or holds anything but letters, digits, `-`, `_` and `.`.
            pub fn new(name: &str) -> Result<Self, NameError> {
                checked(name).map(Self)
            }

            /// The name as text.
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
    /// The name an operator gave to a bot account in the configuration; unique in one host.
    AccountName
}

name! {
    /// The name an operator gave to a Mattermost server in the configuration.
    ServerName
}

macro_rules! id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The id as the server spells it.
            pub fn as_str(&self) -> &str {
                &self.0
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
                Ok(Self(id.as_ref().into()))
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A Mattermost user id, as the server gave it.
    UserId
}

id! {
    /// A Mattermost channel id; empty for an event that belongs to no channel.
    ChannelId
}

id! {
    /// A Mattermost post id, as the server gave it.
    PostId
}

/// The number of a Connection among those its account has had, from 1. A message of an older generation is
/// dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation after this one.
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
}
