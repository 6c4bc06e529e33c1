use std::{fmt, time::Duration};

/// The part that a catch-up skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncation {
    /// All posts but the newest, because of `max_posts_per_channel`.
    Posts {
        /// The limit, in posts.
        limit: usize,
    },
    /// Posts older than `max_age`.
    Age {
        /// The limit.
        limit: Duration,
    },
    /// An arbitrary part of the edits and deletions: the server lists no more of them (fact 25).
    Changes {
        /// The server's limit, in rows.
        limit: usize,
    },
    /// Posts that the server's plan hides (fact 34).
    Inaccessible {
        /// The time of the latest of them, in server milliseconds.
        until: i64,
    },
}

impl fmt::Display for Truncation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Posts { limit } => {
                write!(f, "all but the newest {limit} posts (catch_up.max_posts_per_channel)")
            }
            Self::Age { limit } => write!(f, "posts older than {} s (catch_up.max_age)", limit.as_secs()),
            Self::Changes { limit } => {
                write!(f, "some edits and deletions (the server lists at most {limit} changes at once)")
            }
            Self::Inaccessible { until } => {
                write!(f, "posts up to {until} (ms), which the server's plan hides")
            }
        }
    }
}
