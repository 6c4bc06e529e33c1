//! The clock of leases.

use std::{ops::Add, time::Duration};

/// A time of a clock that never goes back, and that goes on while the machine sleeps: a member that wakes must know that
/// its lease is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ClusterTime(Duration);

impl ClusterTime {
    /// Returns the current time.
    #[cfg(target_os = "linux")]
    pub fn now() -> Self {
        use rustix::time::{ClockId, clock_gettime};
        // The clock of the system's start includes time asleep, unlike that of `Instant`.
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanoseconds))
    }

    /// Returns the current time.
    #[cfg(not(target_os = "linux"))]
    pub fn now() -> Self {
        use std::{sync::OnceLock, time::Instant};
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        Self(ORIGIN.get_or_init(Instant::now).elapsed())
    }

    /// Returns the time that is so long after the clock's origin.
    pub const fn after_origin(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// Returns the time that has passed since the clock's origin.
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// Returns the time that has passed since an earlier one; zero if it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for ClusterTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_forward() {
        let first = ClusterTime::now();
        let second = ClusterTime::now();
        assert!(second >= first && first > ClusterTime::default());
        assert_eq!(first.since(second + Duration::from_secs(1)), Duration::ZERO);
    }
}
