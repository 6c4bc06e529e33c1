//! The text of an id, kept in place.

use std::{
    cmp::Ordering,
    hash::{Hash, Hasher},
    str,
    sync::Arc,
};

/// The most bytes that are kept in place. Mattermost's ids have 26 characters, and with the length and the kind these are
/// four words.
const SHORT_BYTES: usize = 30;

/// A text that needs no allocation while it is as short as ids are, and that is copied by its bytes: a busy channel has
/// thousands of known ids, and each of them would be an allocation that is larger than its text.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum IdText {
    /// A short text, with zeros behind it.
    Short { length: u8, bytes: [u8; SHORT_BYTES] },
    /// A text that is longer than [`SHORT_BYTES`].
    Long(Arc<str>),
}

impl IdText {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(text) => text.as_bytes(),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            // The bytes are those of a text.
            Self::Short { .. } => str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Self::Long(text) => text,
        }
    }
}

impl From<&str> for IdText {
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT_BYTES];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(start), Ok(length)) => {
                start.copy_from_slice(text.as_bytes());
                Self::Short { length, bytes }
            }
            _ => Self::Long(text.into()),
        }
    }
}

impl Default for IdText {
    fn default() -> Self {
        Self::from("")
    }
}

impl Hash for IdText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_bytes());
        // As for a `str`: the end of one text is not the beginning of the next.
        state.write_u8(0xff);
    }
}

impl Ord for IdText {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl PartialOrd for IdText {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_of_a_server_is_kept_in_place() {
        let kind = |length: usize| matches!(IdText::from(&*"x".repeat(length)), IdText::Short { .. });
        assert!([0, 26, 30].into_iter().all(kind) && !kind(31));
        assert_eq!(size_of::<Option<IdText>>(), 32);
    }

    proptest! {
        /// An id behaves as its text does, whatever its length.
        #[test]
        fn an_id_equals_and_orders_as_its_text(a in "[a-z0-9ä_-]{0,40}", b in "[a-z0-9ä_-]{0,40}", cut in 0usize..40) {
            let start = a.chars().take(cut).collect::<String>();
            for other in [&b, &start, &a] {
                let [id, another] = [&a, other].map(|text| IdText::from(&**text));
                prop_assert_eq!(id.as_str(), &*a);
                prop_assert_eq!(id.cmp(&another), a.cmp(other));
                prop_assert_eq!(id == another, a == *other);
                let hasher = RandomState::new();
                prop_assert!(a != *other || hasher.hash_one(&id) == hasher.hash_one(&another));
            }
        }
    }
}
