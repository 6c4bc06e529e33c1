//! The tries of an action that fail by the action itself.

use std::time::Duration;

/// The multiple of `replies.deadline` for which the server has had an action by itself, in all tries together, when it is given up.
const MOST_LATE: u32 = 2;

/// The tries of an action that crash when it is given up. The task that carries actions out may also end with its thread, for no fault of
/// the action; an action that ends it again and again takes what else the account does with it each time.
const MOST_CRASHES: u32 = 3;

/// The first action of an account, and its tries that failed by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    sequence: u64,
    late: Duration,
    crashes: u32,
}

impl Tries {
    /// Returns true if an action is given up after one more try, which took that long: a post after two, and a look-up, which has
    /// a shorter limit, after many.
    pub fn ends_late(self, sequence: u64, waited: Duration, deadline: Duration) -> bool {
        self.and_late(sequence, waited).late >= deadline.saturating_mul(MOST_LATE)
    }

    /// Returns true if an action is given up after one more try that crashed.
    pub fn ends_by_crash(self, sequence: u64) -> bool {
        self.and_crash(sequence).crashes >= MOST_CRASHES
    }

    /// Adds a try that took that long.
    pub(crate) fn and_late(self, sequence: u64, waited: Duration) -> Self {
        let before = self.of(sequence);
        Self { late: before.late.saturating_add(waited), ..before }
    }

    /// Adds a try that crashed.
    pub(crate) fn and_crash(self, sequence: u64) -> Self {
        let before = self.of(sequence);
        Self { crashes: before.crashes.saturating_add(1), ..before }
    }

    /// Returns the tries of an action: none, if those that are known were of another one.
    fn of(self, sequence: u64) -> Self {
        if self.sequence == sequence { self } else { Self { sequence, ..Self::default() } }
    }
}
