//! `[dead_letter]`: storage for events that handlers reject.

use std::path::PathBuf;

use super::{key_reader::TableReader, servers::ReadContext, value::ByteSize};

/// The default directory, beside the configuration file.
const DIR: &str = "dead-letter";
/// Room for ten thousand ordinary posts.
const MAX_SIZE: ByteSize = ByteSize(16 << 20);
/// With the current file 80 MiB for each sink: plenty to read, and not enough to fill a disk.
const KEEP: usize = 4;
/// Smaller files might not hold a single large event.
const SMALLEST: ByteSize = ByteSize(64 << 10);
/// Editors cannot open larger files.
const LARGEST: ByteSize = ByteSize(4 << 30);
/// More files than anyone looks through.
const MOST_KEPT: usize = 1_000;

/// The directory and the limits of dead-letter files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterConfig {
    /// The directory, created on first use. Each sink has a file of its own name in it.
    pub dir: PathBuf,
    /// The size in bytes at which a file is rotated.
    pub max_size: u64,
    /// The number of rotated files kept for each sink; beyond it the oldest is deleted.
    pub keep: usize,
}

pub(super) fn read(mut section: TableReader<'_>, context: &ReadContext<'_>) -> DeadLetterConfig {
    let dir = section.read("dir", PathBuf::from(DIR));
    let max_size = section.within("max_size", MAX_SIZE, SMALLEST..=LARGEST);
    let keep = section.within("keep", KEEP, 1..=MOST_KEPT);
    let dir = section.resolve("dir", &dir, context);
    section.finish();
    DeadLetterConfig { dir, max_size: max_size.0 as u64, keep }
}
