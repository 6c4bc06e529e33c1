//! The tokens of this process, known by their hashes, so that excerpts of foreign text never repeat one.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    ops::Range,
    sync::LazyLock,
};

use parking_lot::RwLock;

/// The longest token that is found, in bytes. Mattermost's have 26 characters.
pub(super) const MAX_SECRET_BYTES: usize = 256;

/// The shortest token that is found, in bytes. A shorter one would be found in ordinary text.
const MIN_SECRET_BYTES: usize = 16;

/// The mark in the place of a token.
const MARK: &str = "…";

static SECRETS: LazyLock<Secrets> = LazyLock::new(Secrets::default);

/// The hashes of all secrets by their length, each with the number of its owners.
#[derive(Default)]
struct Secrets {
    hasher: RandomState,
    by_length: RwLock<BTreeMap<usize, BTreeMap<u64, usize>>>,
}

/// Adds an owner of a secret.
pub(super) fn remember(secret: &str) {
    SECRETS.change(secret, |owners| *owners += 1);
}

/// Removes an owner of a secret. It is forgotten with the last one.
pub(super) fn forget(secret: &str) {
    SECRETS.change(secret, |owners| *owners = owners.saturating_sub(1));
}

/// Replaces each secret in a text.
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    let mut found = SECRETS.find(text);
    if found.is_empty() {
        return text.into();
    }
    found.sort_by_key(|range| range.start);
    let (mut redacted, mut end) = (String::new(), 0);
    for range in found {
        if range.start >= end {
            redacted.extend([&text[end..range.start], MARK]);
        }
        end = end.max(range.end);
    }
    redacted.push_str(&text[end..]);
    redacted.into()
}

impl Secrets {
    fn change(&self, secret: &str, change: impl FnOnce(&mut usize)) {
        if !(MIN_SECRET_BYTES..=MAX_SECRET_BYTES).contains(&secret.len()) {
            return;
        }
        let hash = self.hasher.hash_one(secret.as_bytes());
        let mut by_length = self.by_length.write();
        let hashes = by_length.entry(secret.len()).or_default();
        let owners = hashes.entry(hash).or_default();
        change(owners);
        if *owners == 0 {
            hashes.remove(&hash);
        }
        if hashes.is_empty() {
            by_length.remove(&secret.len());
        }
    }

    /// Returns the places of all secrets in a text. A token is ASCII, so these begin and end between characters.
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let by_length = self.by_length.read();
        let windows = by_length.iter().flat_map(|(length, hashes)| {
            let windows = text.as_bytes().windows(*length).enumerate();
            let is_secret =
                |(_, window): &(usize, &[u8])| hashes.contains_key(&self.hasher.hash_one(*window));
            windows.filter(is_secret).map(move |(start, _)| start..start + length)
        });
        windows.filter(|range| text.get(range.clone()).is_some()).collect()
    }
}
