//! File rotation: `events.jsonl` becomes `events.jsonl.1`, that becomes `.2`, and so on.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

/// Returns the path of the `n`th rotated file; 1 is the newest.
pub(in crate::sinks) fn rotated_path(path: &Path, n: usize) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{n}"));
    name.into()
}

/// Rotates a file and keeps at most `keep` rotated ones.
pub(in crate::sinks) fn rotate_file(path: &Path, keep: usize) -> io::Result<()> {
    // Files beyond a gap in the numbers need not move.
    let last = (1..=keep).find(|n| !rotated_path(path, *n).exists()).unwrap_or(keep);
    for n in (1..last).rev() {
        fs::rename(rotated_path(path, n), rotated_path(path, n + 1))?;
    }
    fs::rename(path, rotated_path(path, 1))
}

/// Returns the file and its rotated predecessors, as far as they exist, oldest first.
pub(in crate::sinks) fn existing_files(path: &Path, keep: usize) -> Vec<PathBuf> {
    let rotated = (1..=keep).rev().map(|n| rotated_path(path, n));
    rotated.chain([path.to_owned()]).filter(|path| path.exists()).collect()
}
