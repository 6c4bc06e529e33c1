//! The places of keys in the files.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The place of each key that a file sets, by the key's full path.
#[derive(Debug, Clone, Default)]
pub(in crate::config) struct KeyOrigins(HashMap<String, KeyOrigin>);

/// A file, and the line in it if the format shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct KeyOrigin {
    pub(in crate::config) file: Arc<Path>,
    pub(in crate::config) line: Option<usize>,
}

impl KeyOrigin {
    /// Returns the place as editors and compilers write it: `FILE:LINE`.
    pub(in crate::config) fn describe(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}", self.file.display()),
            None => self.file.display().to_string(),
        }
    }

    /// Returns the path, relative to the directory of this place's file.
    pub(in crate::config) fn resolve(&self, path: &Path) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }
}

impl KeyOrigins {
    pub(in crate::config) fn insert(&mut self, key: String, place: KeyOrigin) {
        self.0.insert(key, place);
    }

    /// Adds the places of another file; a place that is known stays.
    pub(super) fn extend(&mut self, others: Self) {
        for (key, place) in others.0 {
            self.0.entry(key).or_insert(place);
        }
    }

    /// Returns the place of a key.
    pub(in crate::config) fn get(&self, key: &str) -> Option<&KeyOrigin> {
        self.0.get(key)
    }

    /// Returns the place of a key, or of the closest table around it.
    pub(in crate::config) fn around(&self, key: &str) -> Option<&KeyOrigin> {
        let mut key = key;
        loop {
            if let Some(place) = self.0.get(key) {
                return Some(place);
            }
            key = key.rsplit_once('.')?.0;
        }
    }
}
