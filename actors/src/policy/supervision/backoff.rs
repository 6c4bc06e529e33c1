//! Growing delays, based on the crate `backoff`.

use std::time::Duration;

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff as _};

/// The parameters of a series of growing delays: it starts at `min`, doubles up to `max`, and each delay varies by
/// at most `random_factor` of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delays {
    /// The first delay.
    pub min: Duration,
    /// The longest delay, before jitter.
    pub max: Duration,
    /// The fraction, from 0 to 1, by which a delay may be shorter or longer.
    pub random_factor: f64,
}

/// The factor between one delay and the next.
const FACTOR: u32 = 2;

impl Delays {
    /// Returns the `n`th delay (from 0), before jitter.
    pub fn nth(&self, n: u32) -> Duration {
        let grown = FACTOR.checked_pow(n).and_then(|times| self.min.checked_mul(times));
        grown.map_or(self.max, |delay| delay.min(self.max))
    }

    /// Returns the sum of the first `n` delays, each with the maximum jitter.
    pub fn longest_sum(&self, n: u32) -> Duration {
        let sum: f64 = (0..n).map(|i| self.nth(i).as_secs_f64()).sum();
        Duration::try_from_secs_f64(sum * (1.0 + self.random_factor)).unwrap_or(Duration::MAX)
    }
}

/// An endless series of growing delays.
#[derive(Debug)]
pub struct Backoff {
    series: ExponentialBackoff,
}

impl Backoff {
    /// Creates a series at its start.
    pub fn new(delays: Delays) -> Self {
        let series = ExponentialBackoffBuilder::new()
            .with_initial_interval(delays.min)
            .with_max_interval(delays.max)
            .with_multiplier(f64::from(FACTOR))
            .with_randomization_factor(delays.random_factor)
            // The default ends a series after 15 minutes: a bot would never return.
            .with_max_elapsed_time(None)
            .build();
        Self { series }
    }

    /// Returns the next delay.
    pub fn next_delay(&mut self) -> Duration {
        self.series.next_backoff().unwrap_or(self.series.max_interval)
    }

    /// Restarts the series.
    pub fn reset(&mut self) {
        self.series.reset();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DELAYS: Delays =
        Delays { min: Duration::from_secs(1), max: Duration::from_secs(60), random_factor: 0.0 };

    /// The crate draws from an interval that is one nanosecond longer, and one draw in 260,000 is at its end.
    fn assert_is(delay: Duration, expected: Duration) {
        assert!(
            delay == expected || delay == expected + Duration::from_nanos(1),
            "{delay:?}, not {expected:?}"
        );
    }

    #[test]
    fn delays_double_up_to_the_maximum_and_never_stop() {
        let mut backoff = Backoff::new(DELAYS);
        let seconds: Vec<u64> = (0..9).map(|_| backoff.next_delay().as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        for _ in 0..10_000 {
            assert_is(backoff.next_delay(), DELAYS.max);
        }
        backoff.reset();
        assert_is(backoff.next_delay(), DELAYS.min);
    }

    #[test]
    fn nth_is_the_series_without_jitter() {
        let mut backoff = Backoff::new(DELAYS);
        for n in 0..40 {
            assert_is(backoff.next_delay(), DELAYS.nth(n));
        }
        assert_eq!(DELAYS.nth(u32::MAX), DELAYS.max);
    }

    proptest! {
        #[test]
        fn jitter_stays_within_its_share(factor in 0.0..1.0f64, n in 1u32..12) {
            let delays = Delays { random_factor: factor, ..DELAYS };
            let mut backoff = Backoff::new(delays);
            let mut sum = Duration::ZERO;
            for i in 0..n {
                let (delay, plain) = (backoff.next_delay(), delays.nth(i));
                let slack = Duration::from_nanos(10);
                prop_assert!(delay <= plain.mul_f64(1.0 + factor) + slack);
                prop_assert!(delay + slack >= plain.mul_f64(1.0 - factor));
                sum += delay;
            }
            prop_assert!(sum <= delays.longest_sum(n) + Duration::from_micros(1));
        }
    }
}
