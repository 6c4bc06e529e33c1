//! Putting a file aside for a new one: `events.jsonl` becomes `events.jsonl.1`, that `.2`, and so on.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

/// The `n`th file put aside, from 1, the newest.
pub(in crate::sinks) fn rotated_path(path: &Path, n: usize) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{n}"));
    name.into()
}

/// Puts a file aside, and keeps at most so many of those put aside.
pub(in crate::sinks) fn rotate_file(path: &Path, keep: usize) -> io::Result<()> {
    // Up to the first gap: what lies beyond it is moved by nothing.
    let last = (1..=keep).find(|n| !rotated_path(path, *n).exists()).unwrap_or(keep);
    for n in (1..last).rev() {
        fs::rename(rotated_path(path, n), rotated_path(path, n + 1))?;
    }
    fs::rename(path, rotated_path(path, 1))
}

/// All that there is of a file, oldest first.
pub(in crate::sinks) fn existing_files(path: &Path, keep: usize) -> Vec<PathBuf> {
    let aside = (1..=keep).rev().map(|n| rotated_path(path, n));
    aside.chain([path.to_owned()]).filter(|path| path.exists()).collect()
}
