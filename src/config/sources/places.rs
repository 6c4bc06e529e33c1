//! The places of keys in the files.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The place of each key that a file sets, by the key's full path.
#[derive(Debug, Clone, Default)]
pub(in crate::config) struct Places(HashMap<String, Place>);

/// A file, and the line in it if the format shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Place {
    pub(in crate::config) file: Arc<Path>,
    pub(in crate::config) line: Option<usize>,
}

impl Place {
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

impl Places {
    pub(in crate::config) fn insert(&mut self, key: String, place: Place) {
        self.0.insert(key, place);
    }

    /// Adds the places of another file; a place that is known stays.
    pub(super) fn extend(&mut self, others: Self) {
        for (key, place) in others.0 {
            self.0.entry(key).or_insert(place);
        }
    }

    /// Returns the place of a key.
    pub(in crate::config) fn get(&self, key: &str) -> Option<&Place> {
        self.0.get(key)
    }

    /// Returns the place of a key, or of the closest table around it.
    pub(in crate::config) fn around(&self, key: &str) -> Option<&Place> {
        let mut key = key;
        loop {
            if let Some(place) = self.0.get(key) {
                return Some(place);
            }
            key = key.rsplit_once('.')?.0;
        }
    }
}
