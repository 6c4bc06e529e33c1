//! Names and ids, each with its own type so that they cannot be confused.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The maximum length of an account or server name, in bytes. The name is a configuration key, a label of every
/// metric and a part of each event's source.
const MAX_NAME_BYTES: usize = 128;

/// A name that does not follow the rules for names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a usable name: use 1 to {MAX_NAME_BYTES} letters, digits, '-', '_' or '.'")]
pub struct NameError {
    name: String,
}

fn validate(name: &str) -> Result<Arc<str>, NameError> {
    let usable = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    // In a path of the API, these would be path segments with a special meaning.
    let is_path_step = matches!(name, "." | "..");
    if name.is_empty() || is_path_step || name.len() > MAX_NAME_BYTES || !name.chars().all(usable) {
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
            /// Validates a name from the configuration.
            ///
            /// # Errors
            /// If the name is empty, is `.` or `..`, is too long, or contains anything but letters, digits, `-`,
            /// `_` and `.`.
            pub fn new(name: &str) -> Result<Self, NameError> {
                validate(name).map(Self)
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
    /// The name of a bot account in the configuration, unique in one host.
    AccountName
}

name! {
    /// The name of a Mattermost server in the configuration.
    ServerName
}

macro_rules! id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Returns the id as the server spells it.
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

/// The number of a Connection among those of its account, from 1. Messages from older generations are dropped.
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
}
