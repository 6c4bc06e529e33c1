use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

/// The most parts remembered per account. Beyond it all are forgotten, and sent once more.
const MOST_PARTS: usize = 1_024;

/// The texts that the parts of long updates show, as hashes, by the keys of their posts.
#[derive(Debug, Default)]
pub(crate) struct ShownParts(HashMap<Box<str>, u64>);

impl ShownParts {
    /// True if the post with the key is known to show the text.
    pub(crate) fn shows(&self, key: &str, text: &str) -> bool {
        self.0.get(key) == Some(&hash(text))
    }

    /// Records that the post with the key shows the text.
    pub(crate) fn insert(&mut self, key: &str, text: &str) {
        if self.0.len() >= MOST_PARTS && !self.0.contains_key(key) {
            self.0.clear();
        }
        self.0.insert(key.into(), hash(text));
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
        let mut shown = ShownParts::default();
        shown.insert("k", "a");
        assert!(shown.shows("k", "a") && !shown.shows("k", "b") && !shown.shows("j", "a"));
        shown.insert("k", "b");
        assert!(shown.shows("k", "b") && !shown.shows("k", "a"));
        for n in 0..=MOST_PARTS {
            shown.insert(&n.to_string(), "c");
        }
        assert!(shown.0.len() <= MOST_PARTS && !shown.shows("k", "b"));
    }
}
