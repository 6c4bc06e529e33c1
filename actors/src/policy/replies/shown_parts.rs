use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use crate::model::ChannelId;

/// The most parts remembered per account. Beyond it all are forgotten, and sent once more.
const MOST_PARTS: usize = 1_024;

/// The texts that the parts of long updates show, as hashes, by the channels and keys of their posts.
#[derive(Debug, Default)]
pub(crate) struct ShownParts(HashMap<(ChannelId, Box<str>), u64>);

impl ShownParts {
    /// True if the post in the channel with the key is known to show the text.
    pub(crate) fn shows(&self, channel: &ChannelId, key: &str, text: &str) -> bool {
        self.0.get(&(channel.clone(), key.into())) == Some(&hash(text))
    }

    /// Records that the post in the channel with the key shows the text.
    pub(crate) fn insert(&mut self, channel: &ChannelId, key: &str, text: &str) {
        let key = (channel.clone(), key.into());
        if self.0.len() >= MOST_PARTS && !self.0.contains_key(&key) {
            self.0.clear();
        }
        self.0.insert(key, hash(text));
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_known_by_its_last_text() {
        let (town, other) = (ChannelId::from("town"), ChannelId::from("other"));
        let mut shown = ShownParts::default();
        shown.insert(&town, "k", "a");
        assert!(shown.shows(&town, "k", "a") && !shown.shows(&town, "k", "b"));
        assert!(!shown.shows(&town, "j", "a") && !shown.shows(&other, "k", "a"));
        shown.insert(&town, "k", "b");
        assert!(shown.shows(&town, "k", "b") && !shown.shows(&town, "k", "a"));
        for n in 0..=MOST_PARTS {
            shown.insert(&town, &n.to_string(), "c");
        }
        assert!(shown.0.len() <= MOST_PARTS && !shown.shows(&town, "k", "b"));
    }
}
