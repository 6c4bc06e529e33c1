//! `type = "file"`.

use std::{path::PathBuf, time::Duration};

use crate::config::{servers::ReadContext, table::TableReader, value::ByteSize};

/// A day of a busy host, and a size that an editor still opens.
const ROTATE_SIZE: ByteSize = ByteSize(64 << 20);
/// Files that begin at a known time are found again.
const ROTATE_AFTER: Duration = Duration::from_secs(24 * 3600);
/// A week of days.
const KEEP: usize = 7;
/// A smaller file would be put aside at every few posts.
const SMALLEST: ByteSize = ByteSize(64 << 10);
/// A file system's own bounds are not far.
const LARGEST: ByteSize = ByteSize(1 << 40);
/// More often than this would be a file for every few events.
const SOONEST: Duration = Duration::from_secs(60);
/// Later than this is never.
const LATEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// More files than this nobody looks through.
const MOST_KEPT: usize = 10_000;

/// Lines in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileConfig {
    /// The file that is written; those put aside stand beside it, with a number behind.
    pub path: PathBuf,
    /// The bytes at which it is put aside for a new one.
    pub rotate_size: u64,
    /// The age at which it is put aside, from its first line on.
    pub rotate_after: Duration,
    /// How many put aside are kept; the oldest is deleted for a newer one.
    pub keep: usize,
    /// Whether a line is on the disk, and not only with the system, before it is acknowledged.
    pub fsync: bool,
}

pub(super) fn read(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<FileConfig> {
    let path = section.optional::<PathBuf>("path");
    if path.is_none() && !section.has("path") {
        section.refuse(
            "path",
            "it is missing",
            "name the file that events are written to, such as events.jsonl",
        );
    }
    let rotate_size = section.within("rotate_size", ROTATE_SIZE, SMALLEST..=LARGEST);
    let rotate_after = section.within("rotate_after", ROTATE_AFTER, SOONEST..=LATEST);
    let keep = section.within("rotate_keep", KEEP, 1..=MOST_KEPT);
    let fsync = section.read("fsync", true);
    let path = context.directory.join(path?);
    if path.is_dir() {
        section.refuse("path", format!("{} is a directory", path.display()), "name a file in it");
        return None;
    }
    Some(FileConfig { path, rotate_size: rotate_size.0 as u64, rotate_after, keep, fsync })
}
