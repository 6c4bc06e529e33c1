//! The limits of the attempts for one event, of all sinks with a handler.

use std::time::Duration;

use crate::config::key_reader::TableReader;

/// With the delays between them, about three minutes: longer than a restart of the handler.
const MAX_ATTEMPTS: u32 = 10;
/// More attempts at the longest delay would take weeks.
const MOST_ATTEMPTS: u32 = 10_000;
/// An answer that comes later surprises people.
const MAX_AGE: Duration = Duration::from_secs(3600);
/// Less than the first delays between attempts.
const SHORTEST_AGE: Duration = Duration::from_secs(1);
/// People do not wait longer for an answer.
const LONGEST_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The limits of the attempts for one event. The event that reaches one becomes a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptLimits {
    /// The number of attempts.
    pub max_attempts: u32,
    /// The time since the first failure.
    pub max_age: Duration,
}

impl Default for AttemptLimits {
    fn default() -> Self {
        Self { max_attempts: MAX_ATTEMPTS, max_age: MAX_AGE }
    }
}

pub(super) fn read(section: &mut TableReader<'_>) -> AttemptLimits {
    AttemptLimits {
        max_attempts: section.within("max_attempts", MAX_ATTEMPTS, 1..=MOST_ATTEMPTS),
        max_age: section.within("max_age", MAX_AGE, SHORTEST_AGE..=LONGEST_AGE),
    }
}
