//! The delays between recycles.

use std::time::{Duration, Instant};

use super::backoff::{Backoff, Delays};

/// The delays between recycles of an account: the first does not wait, those that follow it soon do.
#[derive(Debug)]
pub(crate) struct Recycling {
    delays: Backoff,
    last: Option<Instant>,
    /// True while the last ending was a recycle and no run since was ready for `reset_after`.
    in_series: bool,
}

impl Recycling {
    /// Creates the delays for an account that has not been recycled.
    pub(crate) fn new(delays: Delays) -> Self {
        Self { delays: Backoff::new(delays), last: None, in_series: false }
    }

    /// Records a recycle and returns its delay: none, unless another was within `reset_after` or in the same series.
    pub(crate) fn next_delay(&mut self, now: Instant, reset_after: Duration) -> Duration {
        let recently = |at: Instant| now.saturating_duration_since(at) < reset_after;
        let waits = self.in_series || self.last.is_some_and(recently);
        self.last = Some(now);
        self.in_series = true;
        if waits { self.delays.next_delay() } else { Duration::ZERO }
    }

    /// True if the last ending was a recycle.
    pub(crate) fn in_series(&self) -> bool {
        self.in_series
    }

    /// Records an ending of another kind: the delays start over.
    pub(crate) fn interrupted(&mut self) {
        self.delays.reset();
        self.in_series = false;
    }

    /// Forgets all recycles.
    pub(crate) fn reset(&mut self) {
        self.interrupted();
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const DELAYS: Delays = Delays { min: SECOND, max: Duration::from_secs(60), random_factor: 0.0 };

    fn seconds(recycling: &mut Recycling, now: Instant) -> u64 {
        recycling.next_delay(now, 60 * SECOND).as_secs()
    }

    #[test]
    fn the_first_recycle_does_not_wait_and_a_series_does() {
        let now = Instant::now();
        let mut recycling = Recycling::new(DELAYS);
        let delays: Vec<u64> = (0..9).map(|n| seconds(&mut recycling, now + n * 61 * SECOND)).collect();
        assert_eq!(delays, [0, 1, 2, 4, 8, 16, 32, 60, 60], "only a settled run ends a series");
    }

    #[test]
    fn after_another_ending_the_next_waits_only_within_reset_after() {
        let now = Instant::now();
        for (gap, expected) in [(59, 1), (60, 0)] {
            let mut recycling = Recycling::new(DELAYS);
            seconds(&mut recycling, now);
            recycling.interrupted();
            assert_eq!(seconds(&mut recycling, now + gap * SECOND), expected, "{gap} s");
        }
    }
}
