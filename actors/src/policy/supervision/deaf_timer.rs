use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::model::{CloseClass, CloseReason};

/// A timer that measures for how long an account may have received nothing, after it was changed or its socket was
/// found deaf.
///
/// It starts with the last change of the account that the server dates (`update_at`): in a disable and enable that
/// is the enable, so the disabled time is excluded. Without a change, for example if only the session was revoked,
/// it starts when the socket was found deaf, which is late by the detection time. It ends when the account is
/// ready. The start is in server time and the end in ours, so their difference is included, but the result never
/// exceeds the time since the account was last ready.
#[derive(Debug, Default)]
pub(crate) struct DeafTimer {
    /// The `update_at` of the last ready Connection.
    baseline: Option<i64>,
    /// The time at which that Connection was ready.
    ready_at: Option<SystemTime>,
    /// The time at which a socket was first found deaf.
    found_at: Option<SystemTime>,
}

impl DeafTimer {
    /// Records the end of a Connection.
    pub(crate) fn ended(&mut self, now: SystemTime, reason: &CloseReason) {
        if reason.class() == CloseClass::Recycle {
            self.found_at.get_or_insert(now);
        }
    }

    /// Records the last `update_at` that the ended Connection accepted without a new one: no deaf time follows from it.
    pub(crate) fn baseline_raised(&mut self, update_at: Option<i64>) {
        if let (Some(known), Some(raised)) = (&mut self.baseline, update_at) {
            *known = raised.max(*known);
        }
    }

    /// Records that a Connection with this `update_at` is ready. Returns the time for which the account may have
    /// received nothing, if it was changed or found deaf since it was last ready.
    pub(crate) fn ready(&mut self, now: SystemTime, update_at: i64) -> Option<Duration> {
        let before = self.baseline.replace(update_at);
        let last_ready = self.ready_at.replace(now);
        let found = self.found_at.take();
        let touched = before.is_some_and(|before| before != update_at).then(|| server_time(update_at));
        let start = touched.or(found)?.max(last_ready.unwrap_or(UNIX_EPOCH));
        Some(now.duration_since(start).unwrap_or_default())
    }
}

fn server_time(ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_700_000_000_000;

    fn at(ms: i64) -> SystemTime {
        server_time(START + ms)
    }

    fn ready_at_the_start() -> DeafTimer {
        let mut deaf_timer = DeafTimer::default();
        assert_eq!(deaf_timer.ready(at(0), START - 5_000), None, "nothing is known of the time before");
        deaf_timer
    }

    fn stale(seen: i64) -> CloseReason {
        CloseReason::Stale { baseline: START - 5_000, seen: START + seen }
    }

    #[test]
    fn it_lasts_from_the_change_to_ready() {
        let mut deaf_timer = ready_at_the_start();
        deaf_timer.ended(at(1_400), &stale(1_000));
        assert_eq!(deaf_timer.ready(at(1_900), START + 1_000), Some(Duration::from_millis(900)));
        assert_eq!(deaf_timer.ready(at(3_000), START + 1_000), None, "nothing has happened since");
    }

    #[test]
    fn the_time_in_which_the_account_was_disabled_is_left_out() {
        let mut deaf_timer = ready_at_the_start();
        deaf_timer.ended(at(1_400), &CloseReason::Unauthorized);
        assert_eq!(deaf_timer.ready(at(60_500), START + 60_000), Some(Duration::from_millis(500)));
    }

    #[test]
    fn without_a_change_it_begins_when_it_was_found() {
        let mut deaf_timer = ready_at_the_start();
        deaf_timer.ended(at(1_000), &CloseReason::Deaf { error: "gone".into() });
        deaf_timer.ended(at(1_500), &CloseReason::Timeout);
        deaf_timer.ended(at(2_000), &CloseReason::Deaf { error: "gone".into() });
        assert_eq!(deaf_timer.ready(at(2_250), START - 5_000), Some(Duration::from_millis(1_250)));
    }

    #[test]
    fn clocks_that_differ_cannot_make_it_longer_than_since_the_account_was_ready() {
        let mut deaf_timer = ready_at_the_start();
        deaf_timer.ended(at(1_400), &stale(-4_000));
        assert_eq!(
            deaf_timer.ready(at(1_500), START - 4_000),
            Some(Duration::from_millis(1_500)),
            "slow server"
        );
        assert_eq!(deaf_timer.ready(at(2_000), START + 9_000), Some(Duration::ZERO), "fast server");
    }

    #[test]
    fn other_endings_are_no_deafness() {
        let mut deaf_timer = ready_at_the_start();
        deaf_timer.ended(at(1_000), &CloseReason::Silent);
        assert_eq!(deaf_timer.ready(at(2_000), START - 5_000), None);
    }
}
