//! The sizes that a server takes.

/// The longest text of a post by default, in characters: Mattermost's own default (facts 13, 40).
pub const DEFAULT_POST_CHARS: usize = 16_383;

/// The longest text that a post is given even if the server takes more, in characters: its frames and pages stay within
/// the limits of a client.
const MOST_POST_CHARS: usize = 1 << 20;

/// The largest file by default, in bytes: Mattermost's own default.
const DEFAULT_FILE_BYTES: u64 = 100 << 20;

/// The sizes that a server takes, as its configuration for clients gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// The longest text of a post (`MaxPostSize`), in characters; never 0.
    pub post_chars: usize,
    /// The largest file (`MaxFileSize`), in bytes.
    pub file_bytes: u64,
    /// True if posts may have files (`EnableFileAttachments`).
    pub takes_files: bool,
}

impl ServerLimits {
    /// Returns the limits that the server gave. A limit that it did not give, or that is none, is Mattermost's default.
    pub fn new(post_chars: Option<usize>, file_bytes: Option<u64>, takes_files: Option<bool>) -> Self {
        let post_chars = post_chars.filter(|limit| *limit > 0).unwrap_or(DEFAULT_POST_CHARS);
        Self {
            post_chars: post_chars.min(MOST_POST_CHARS),
            file_bytes: file_bytes.filter(|limit| *limit > 0).unwrap_or(DEFAULT_FILE_BYTES),
            takes_files: takes_files.unwrap_or(true),
        }
    }
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self::new(None, None, None)
    }
}
