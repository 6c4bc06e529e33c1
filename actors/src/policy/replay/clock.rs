use std::time::{Duration, Instant};

/// The resolution of the `Date` header, in milliseconds: the clock was between the date and this much later.
const RESOLUTION_MS: i64 = 1_000;

/// The most by which the clocks of a server's nodes may differ, in milliseconds. If the server's clock goes back by
/// more, it was set back.
pub(super) const MOST_SKEW_MS: i64 = 5_000;

/// An estimate of the server's clock: a `Date` header, and the times between which the server wrote it. They may be far
/// apart: a long list takes time to read, and a busy machine is late.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerClock {
    date: i64,
    asked_at: Instant,
    read_at: Instant,
}

impl ServerClock {
    /// Creates an estimate from the `Date` of a response, in server milliseconds.
    pub(crate) fn new(date: i64, asked_at: Instant, read_at: Instant) -> Self {
        Self { date, asked_at, read_at }
    }

    /// Returns the date, in server milliseconds.
    pub(super) fn date(&self) -> i64 {
        self.date
    }

    /// Returns the earliest time that the server's clock can show now, in server milliseconds.
    pub(super) fn earliest(&self, now: Instant) -> i64 {
        self.date.saturating_add(ms(now.saturating_duration_since(self.read_at)))
    }

    /// Returns the latest time that the server's clock can show now, in server milliseconds.
    pub(super) fn latest(&self, now: Instant) -> i64 {
        let latest = self.date.saturating_add(ms(now.saturating_duration_since(self.asked_at)));
        latest.saturating_add(RESOLUTION_MS)
    }

    /// Returns the earliest time that the clock of a later estimate can have had when this one was read, if the clock was set
    /// back between them.
    pub(super) fn set_back_to(&self, later: &Self) -> Option<i64> {
        let is_set_back = later.date < self.earliest(later.asked_at).saturating_sub(MOST_SKEW_MS);
        let between = ms(later.read_at.saturating_duration_since(self.read_at));
        is_set_back.then(|| later.date.saturating_sub(between))
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_clock_goes_on_and_is_seen_to_be_set_back() {
        let read_at = Instant::now();
        let clock = ServerClock::new(100_000, read_at, read_at);
        let now = read_at + 20 * SECOND;
        assert_eq!(
            (clock.earliest(now), clock.latest(read_at), clock.latest(now)),
            (120_000, 101_000, 121_000)
        );
        for (date, before) in
            [(120_000, None), (115_000, None), (114_999, Some(94_999)), (50_000, Some(30_000))]
        {
            assert_eq!(clock.set_back_to(&ServerClock::new(date, now, now)), before, "{date}");
        }
    }

    #[test]
    fn the_time_that_an_answer_took_is_allowed_for() {
        let before = Instant::now();
        let asked_at = before + SECOND;
        let read_at = asked_at + 9 * SECOND;
        let clock = ServerClock::new(100_000, asked_at, read_at);
        assert_eq!((clock.earliest(read_at), clock.latest(read_at)), (100_000, 110_000));
        let quick = ServerClock::new(100_000, asked_at, asked_at);
        let later = |date| ServerClock::new(date, asked_at + 20 * SECOND, asked_at + 29 * SECOND);
        assert_eq!(quick.set_back_to(&later(120_000)), None, "written at once and read late");
        assert_eq!(quick.set_back_to(&later(114_999)), Some(85_999));
        let overlapping = ServerClock::new(99_000, before, before);
        assert_eq!(clock.set_back_to(&overlapping), None, "answers may overtake each other");
    }
}
