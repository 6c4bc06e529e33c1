use std::time::{Duration, Instant};

/// The resolution of the `Date` header, in milliseconds: the clock was between the date and this much later.
const RESOLUTION_MS: i64 = 1_000;

/// The most by which the clocks of a server's nodes may differ, in milliseconds. If the server's clock goes back by
/// more, it was set back.
pub(super) const MOST_SKEW_MS: i64 = 5_000;

/// An estimate of the server's clock: a `Date` header and the time at which it was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerClock {
    date: i64,
    read_at: Instant,
}

impl ServerClock {
    /// Creates an estimate from the `Date` of a response, in server milliseconds.
    pub(super) fn new(date: i64, read_at: Instant) -> Self {
        Self { date, read_at }
    }

    /// Returns the earliest time that the server's clock can show now, in server milliseconds.
    pub(super) fn earliest(&self, now: Instant) -> i64 {
        self.date.saturating_add(ms(now.saturating_duration_since(self.read_at)))
    }

    /// Returns the latest time that the server's clock can show now, in server milliseconds.
    pub(super) fn latest(&self, now: Instant) -> i64 {
        self.earliest(now).saturating_add(RESOLUTION_MS)
    }

    /// Returns the time that a clock which now shows `date` had when this one was read, if the clock was set back.
    pub(super) fn set_back_to(&self, date: i64, now: Instant) -> Option<i64> {
        let is_set_back = date < self.earliest(now).saturating_sub(MOST_SKEW_MS);
        is_set_back.then(|| date.saturating_sub(ms(now.saturating_duration_since(self.read_at))))
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_goes_on_and_is_seen_to_be_set_back() {
        let read_at = Instant::now();
        let clock = ServerClock::new(100_000, read_at);
        let now = read_at + Duration::from_secs(20);
        assert_eq!(
            (clock.earliest(now), clock.latest(read_at), clock.latest(now)),
            (120_000, 101_000, 121_000)
        );
        for (date, before) in
            [(120_000, None), (115_000, None), (114_999, Some(94_999)), (50_000, Some(30_000))]
        {
            assert_eq!(clock.set_back_to(date, now), before, "{date}");
        }
    }
}
