//! Moments that all accounts of the process share, for work that may wait until then: a thread wakes once for many accounts,
//! which costs less than the work itself.

use std::{sync::OnceLock, time::Duration};

use tokio::time::Instant;

/// The time between two moments: many pings and polls of a large host fall into it, and no ping or poll is later by more.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);

/// The longest wait that ends on time: it is that of a small host, whose few wake-ups cost little.
const LONGEST_EXACT: Duration = Duration::from_secs(1);

/// The moment from which the others are counted.
static FIRST: OnceLock<Instant> = OnceLock::new();

/// Returns the time until the next moment.
pub(super) fn until_next() -> Duration {
    until_next_after(elapsed())
}

/// Extends a long wait to the next moment after it.
pub(super) fn extend(wait: Duration) -> Duration {
    wait + if wait > LONGEST_EXACT { extension(elapsed() + wait) } else { Duration::ZERO }
}

/// Returns the time since the first moment.
fn elapsed() -> Duration {
    let now = Instant::now();
    now.saturating_duration_since(*FIRST.get_or_init(|| now))
}

/// Returns the time to the next moment, which is later.
fn until_next_after(elapsed: Duration) -> Duration {
    let within = elapsed.as_nanos() % INTERVAL.as_nanos();
    INTERVAL.saturating_sub(Duration::from_nanos(u64::try_from(within).unwrap_or_default()))
}

/// Returns the time to the next moment; none if this is one.
fn extension(elapsed: Duration) -> Duration {
    Some(until_next_after(elapsed)).filter(|rest| *rest < INTERVAL).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn accounts_wait_for_the_same_moments() {
        let at = |ms: u32| until_next_after(MS * ms).as_millis();
        assert_eq!([0, 1, 99, 100, 250, 360_000_010].map(at), [100, 99, 1, 100, 50, 90]);
        let at = |ms: u32| extension(MS * ms).as_millis();
        assert_eq!([0, 1, 99, 100, 250, 360_000_010].map(at), [0, 99, 1, 0, 50, 90]);
    }

    #[tokio::test(start_paused = true)]
    async fn long_waits_end_together_and_short_ones_on_time() {
        tokio::time::sleep(30 * MS).await;
        let ends = |wait: Duration| elapsed() + extend(wait);
        assert_eq!(ends(1_010 * MS), ends(1_020 * MS));
        assert_eq!(ends(1_010 * MS).as_nanos() % INTERVAL.as_nanos(), 0);
        assert!(extend(1_010 * MS) < 1_110 * MS);
        assert_eq!(extend(LONGEST_EXACT), LONGEST_EXACT);
    }
}
