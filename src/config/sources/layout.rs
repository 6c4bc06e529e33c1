//! The files that make up a configuration, for the host that watches them.

use std::{fmt, sync::Arc};

use super::{
    directory::{self, Directory},
    files::NamedTexts,
};

/// The directories whose files belong to the configuration, and the files that are named in it.
#[derive(Clone, Default)]
pub struct Layout {
    /// The directories of included files and of tokens.
    pub directories: Vec<Directory>,
    /// A number that changes with the names and the content of the files in the directories.
    fingerprint: u64,
    named_texts: Arc<NamedTexts>,
}

impl Layout {
    pub(super) fn new(directories: Vec<Directory>, named_texts: NamedTexts) -> Self {
        let fingerprint = directory::fingerprint(&directories);
        Self { directories, fingerprint, named_texts: Arc::new(named_texts) }
    }

    /// Returns the fingerprint of the directories as they were when the configuration was read.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Returns the fingerprint of the directories as they are now.
    pub fn current_fingerprint(&self) -> u64 {
        directory::fingerprint(&self.directories)
    }

    pub(in crate::config) fn named_texts(&self) -> &NamedTexts {
        &self.named_texts
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layout").field("directories", &self.directories).finish_non_exhaustive()
    }
}
