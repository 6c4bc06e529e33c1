//! `[dead_letter]`: where sinks keep what is refused for good.

use std::path::PathBuf;

use super::{servers::ReadContext, table::TableReader, value::ByteSize};

/// Where the files are, unless told otherwise: beside the configuration.
const DIR: &str = "dead-letter";
/// Ten thousand ordinary posts.
const MAX_SIZE: ByteSize = ByteSize(16 << 20);
/// With the file that is written, 80 MiB a sink: more than anybody reads, and no full disk.
const KEEP: usize = 4;
/// Smaller files would not hold one event of the largest size.
const SMALLEST: ByteSize = ByteSize(64 << 10);
/// A larger file is none that an editor opens.
const LARGEST: ByteSize = ByteSize(4 << 30);
/// More files than this nobody looks through.
const MOST_KEPT: usize = 1_000;

/// Where sinks keep what is refused for good, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterConfig {
    /// The directory; each sink has a file of its name in it. It is made when it is first needed.
    pub dir: PathBuf,
    /// The bytes at which a file is put aside for a new one.
    pub max_size: u64,
    /// How many files put aside are kept, for each sink; the oldest is deleted for a newer one.
    pub keep: usize,
}

pub(super) fn read(mut section: TableReader<'_>, context: &ReadContext<'_>) -> DeadLetterConfig {
    let dir = section.read("dir", PathBuf::from(DIR));
    let max_size = section.within("max_size", MAX_SIZE, SMALLEST..=LARGEST);
    let keep = section.within("keep", KEEP, 1..=MOST_KEPT);
    section.finish();
    DeadLetterConfig { dir: context.directory.join(dir), max_size: max_size.0 as u64, keep }
}
