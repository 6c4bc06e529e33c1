//! `type = "file"`.

use std::{path::PathBuf, time::Duration};

use crate::config::{key_reader::TableReader, servers::ReadContext, value::ByteSize};

/// About a day of a busy host, and small enough for an editor.
const ROTATE_SIZE: ByteSize = ByteSize(64 << 20);
/// A file per day is easy to find again.
const ROTATE_AFTER: Duration = Duration::from_secs(24 * 3600);
/// A week of daily files.
const KEEP: usize = 7;
/// A smaller file would be rotated after a few posts.
const SMALLEST: ByteSize = ByteSize(64 << 10);
/// Close to the limits of file systems.
const LARGEST: ByteSize = ByteSize(1 << 40);
/// A shorter time would rotate after a few events.
const SHORTEST_AGE: Duration = Duration::from_secs(60);
/// Practically never.
const LONGEST_AGE: Duration = Duration::from_secs(365 * 24 * 3600);
/// More files than anyone looks through.
const MOST_KEPT: usize = 10_000;

/// Lines in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileConfig {
    /// The current file. Rotated files have the same name with a number appended.
    pub path: PathBuf,
    /// The size in bytes at which the file is rotated.
    pub rotate_size: u64,
    /// The age at which the file is rotated, counted from its first line.
    pub rotate_after: Duration,
    /// The number of rotated files kept; beyond it the oldest is deleted.
    pub keep: usize,
    /// True if a line must be on the disk, not just with the operating system, before it is acknowledged.
    pub fsync: bool,
}

pub(super) fn read(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<FileConfig> {
    let path = section.optional_path("path", context);
    if path.is_none() && !section.has("path") {
        section.refuse(
            "path",
            "it is missing",
            "name the file that events are written to, such as events.jsonl",
        );
    }
    let rotate_size = section.within("rotate_size", ROTATE_SIZE, SMALLEST..=LARGEST);
    let rotate_after = section.within("rotate_after", ROTATE_AFTER, SHORTEST_AGE..=LONGEST_AGE);
    let keep = section.within("rotate_keep", KEEP, 1..=MOST_KEPT);
    let fsync = section.read("fsync", true);
    let path = path?;
    if path.is_dir() {
        section.refuse("path", format!("{} is a directory", path.display()), "name a file in it");
        return None;
    }
    Some(FileConfig { path, rotate_size: rotate_size.0 as u64, rotate_after, keep, fsync })
}
