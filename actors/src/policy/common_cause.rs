//! Whether drops are one account's own fault or the server's: many fell together, or the server is down.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::{Duration, Instant},
};

/// Drops this close together belong together.
const WINDOW: Duration = Duration::from_secs(10);
/// Fewer than these never prove a common cause.
const LEAST: usize = 3;
/// More than one in so many of the ready accounts.
const SHARE: usize = 5;

/// The drops of one server's ready accounts.
#[derive(Debug)]
pub struct CommonCause<K> {
    /// Oldest first.
    drops: VecDeque<(K, Instant)>,
    /// How many of the drops are each account's: ten thousand that fall together are not counted anew for each.
    fallen: HashMap<K, usize>,
    /// The latest so many were not excused.
    unexcused: usize,
    down: bool,
}

impl<K> Default for CommonCause<K> {
    fn default() -> Self {
        Self { drops: VecDeque::new(), fallen: HashMap::new(), unexcused: 0, down: false }
    }
}

impl<K: Clone + Eq + Hash> CommonCause<K> {
    /// A ready account was dropped while `ready` others still are. Gives back the drops that turn out to have a
    /// common cause: who, and when; each once.
    pub fn dropped(&mut self, now: Instant, who: K, ready: usize) -> Vec<(K, Instant)> {
        self.forget(now);
        *self.fallen.entry(who.clone()).or_default() += 1;
        self.drops.push_back((who, now));
        self.unexcused += 1;
        let fallen = self.fallen.len();
        if self.down || (fallen >= LEAST && fallen * SHARE > ready + fallen) {
            return self.excuse();
        }
        Vec::new()
    }

    /// The server was found down: all that fell just now fell with it, and so does what falls until it is up.
    pub fn server_down(&mut self, now: Instant) -> Vec<(K, Instant)> {
        self.forget(now);
        self.down = true;
        self.excuse()
    }

    /// The server answers again.
    pub fn server_up(&mut self) {
        self.down = false;
    }

    fn excuse(&mut self) -> Vec<(K, Instant)> {
        let excused = self.drops.len() - std::mem::take(&mut self.unexcused);
        self.drops.range(excused..).cloned().collect()
    }

    fn forget(&mut self, now: Instant) {
        while let Some((who, at)) = self.drops.front()
            && now.saturating_duration_since(*at) > WINDOW
        {
            if let Some(drops) = self.fallen.get_mut(who) {
                *drops -= 1;
                if *drops == 0 {
                    self.fallen.remove(who);
                }
            }
            self.drops.pop_front();
        }
        self.unexcused = self.unexcused.min(self.drops.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn more_than_a_fifth_and_at_least_three_is_common() {
        // (drops, others still ready, common?)
        for (drops, ready, common) in
            [(2, 0, false), (3, 0, true), (3, 11, true), (3, 12, false), (4, 15, true)]
        {
            let mut cause = CommonCause::default();
            let now = Instant::now();
            let excused: usize = (0..drops).map(|who| cause.dropped(now, who, ready).len()).sum();
            assert_eq!(excused > 0, common, "{drops} of {}", drops + ready);
            assert_eq!(excused, if common { drops } else { 0 }, "earlier drops are excused with the last");
        }
    }

    #[test]
    fn drops_more_than_ten_seconds_apart_do_not_belong_together() {
        for (gap, common) in [(10 * SECOND, true), (10 * SECOND + Duration::from_nanos(1), false)] {
            let mut cause = CommonCause::default();
            let now = Instant::now();
            cause.dropped(now, 1, 0);
            cause.dropped(now, 2, 0);
            assert_eq!(!cause.dropped(now + gap, 3, 0).is_empty(), common, "{gap:?}");
        }
    }

    #[test]
    fn one_account_that_falls_often_is_no_crowd() {
        let mut cause = CommonCause::default();
        let now = Instant::now();
        for _ in 0..10 {
            assert_eq!(cause.dropped(now, "flapper", 2), []);
        }
    }

    #[test]
    fn a_server_that_is_down_excuses_even_one() {
        let mut cause = CommonCause::default();
        let now = Instant::now();
        cause.dropped(now, "only", 0);
        assert_eq!(cause.server_down(now + SECOND), [("only", now)]);
        assert_eq!(cause.dropped(now + 2 * SECOND, "late", 0), [("late", now + 2 * SECOND)]);
        cause.server_up();
        assert_eq!(cause.dropped(now + 30 * SECOND, "only", 0), []);
    }
}
