//! Where a lost socket may be taken up again.

use serde::{Deserialize, Serialize};

/// Where a lost socket may be taken up again (fact 10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumePoint {
    /// The `connection_id` that hello gave.
    pub connection_id: Box<str>,
    /// The next sequence number wanted: one more than the last seen.
    pub next_seq: u64,
}
