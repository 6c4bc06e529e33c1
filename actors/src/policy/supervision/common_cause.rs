use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::Hash,
    time::{Duration, Instant},
};

/// Drops within this time belong together.
const WINDOW: Duration = Duration::from_secs(10);
/// The time for which drops are remembered: a probe whose packets are lost takes its whole timeout to fail, and
/// only then is the server known to be down.
const KEPT: Duration = Duration::from_secs(120);
/// The minimum number of drops with a common cause.
const LEAST: usize = 3;
/// The reciprocal of the share of ready accounts that must drop.
const SHARE: usize = 5;

/// A detector of drops with a common cause: many accounts of a server dropped together, or the server is down.
///
/// Each drop is counted incrementally: ten thousand simultaneous drops must not be counted anew for each.
#[derive(Debug)]
pub struct CommonCause<K> {
    ready: HashSet<K>,
    /// The drops within the window, oldest first.
    recent: VecDeque<(K, Instant)>,
    /// The number of those drops for each account.
    by_account: HashMap<K, usize>,
    /// The number of accounts in `by_account` that are ready again.
    recovered: usize,
    /// The drops that were not excused, oldest first.
    unexcused: VecDeque<(K, Instant)>,
    down: bool,
}

impl<K> Default for CommonCause<K> {
    fn default() -> Self {
        Self {
            ready: HashSet::new(),
            recent: VecDeque::new(),
            by_account: HashMap::new(),
            recovered: 0,
            unexcused: VecDeque::new(),
            down: false,
        }
    }
}

impl<K: Clone + Eq + Hash> CommonCause<K> {
    /// Records that an account became ready.
    pub fn ready(&mut self, account: K) {
        let dropped_before = self.by_account.contains_key(&account);
        if self.ready.insert(account) && dropped_before {
            self.recovered += 1;
        }
    }

    /// Records that an account is no longer ready for a reason of its own.
    pub fn ended(&mut self, account: &K) {
        if self.ready.remove(account) && self.by_account.contains_key(account) {
            self.recovered -= 1;
        }
    }

    /// Records the drop of a ready account. Returns the accounts and times of drops that have a common cause, each
    /// drop once.
    pub fn dropped(&mut self, now: Instant, account: K) -> Vec<(K, Instant)> {
        self.forget(now);
        self.ended(&account);
        *self.by_account.entry(account.clone()).or_default() += 1;
        self.recent.push_back((account.clone(), now));
        self.unexcused.push_back((account, now));
        // An account that dropped and is ready again counts once.
        let (dropped, still_ready) = (self.by_account.len(), self.ready.len() - self.recovered);
        if self.down || (dropped >= LEAST && dropped * SHARE > still_ready + dropped) {
            return self.excuse(now);
        }
        Vec::new()
    }

    /// Records an outage, detected by a probe that started at `since`. Excuses the drops around that time, and all
    /// further drops until the server is up.
    pub fn server_down(&mut self, since: Instant) -> Vec<(K, Instant)> {
        self.down = true;
        self.excuse(since)
    }

    /// Records that the server answers again.
    pub fn server_up(&mut self) {
        self.down = false;
    }

    /// True if the server is known to be down.
    pub(crate) fn is_down(&self) -> bool {
        self.down
    }

    /// Returns the drops within the window before the moment, and after it.
    fn excuse(&mut self, moment: Instant) -> Vec<(K, Instant)> {
        let (old, excused) = std::mem::take(&mut self.unexcused)
            .into_iter()
            .partition(|(_, at)| moment.saturating_duration_since(*at) > WINDOW);
        self.unexcused = old;
        Vec::from(excused)
    }

    fn forget(&mut self, now: Instant) {
        while let Some((account, _)) = pop_older(&mut self.recent, now, WINDOW) {
            let Some(drops) = self.by_account.get_mut(&account) else { continue };
            *drops -= 1;
            if *drops == 0 {
                self.by_account.remove(&account);
                self.recovered -= usize::from(self.ready.contains(&account));
            }
        }
        while pop_older(&mut self.unexcused, now, KEPT).is_some() {}
    }
}

fn pop_older<K>(drops: &mut VecDeque<(K, Instant)>, now: Instant, age: Duration) -> Option<(K, Instant)> {
    drops.front().filter(|(_, at)| now.saturating_duration_since(*at) > age)?;
    drops.pop_front()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn more_than_a_fifth_and_at_least_three_is_common() {
        // (drops, other accounts still ready, has a common cause)
        for (drops, ready, common) in
            [(2, 0, false), (3, 0, true), (3, 11, true), (3, 12, false), (4, 15, true)]
        {
            let mut cause = CommonCause::default();
            (0..drops + ready).for_each(|account| cause.ready(account));
            let now = Instant::now();
            let excused: usize = (0..drops).map(|account| cause.dropped(now, account).len()).sum();
            assert_eq!(excused > 0, common, "{drops} of {}", drops + ready);
            assert_eq!(excused, if common { drops } else { 0 }, "earlier drops are excused with the last");
        }
    }

    #[test]
    fn one_that_fell_and_is_ready_again_counts_once() {
        let mut cause = CommonCause::default();
        (0..14).for_each(|account| cause.ready(account));
        let now = Instant::now();
        for account in 0..2 {
            assert!(cause.dropped(now, account).is_empty());
            cause.ready(account);
        }
        assert_eq!(cause.dropped(now, 2).len(), 3, "three of fourteen");
    }

    #[test]
    fn one_that_ended_for_a_reason_of_its_own_is_ready_no_longer() {
        let mut cause = CommonCause::default();
        (0..20).for_each(|account| cause.ready(account));
        (3..20).for_each(|account| cause.ended(&account));
        let now = Instant::now();
        assert_eq!((0..3).map(|account| cause.dropped(now, account).len()).sum::<usize>(), 3);
    }

    #[test]
    fn drops_more_than_ten_seconds_apart_do_not_belong_together() {
        for (gap, common) in [(10 * SECOND, true), (10 * SECOND + Duration::from_nanos(1), false)] {
            let mut cause = CommonCause::default();
            let now = Instant::now();
            cause.dropped(now, 1);
            cause.dropped(now, 2);
            assert_eq!(!cause.dropped(now + gap, 3).is_empty(), common, "{gap:?}");
        }
    }

    #[test]
    fn one_account_that_falls_often_is_no_crowd() {
        let mut cause = CommonCause::default();
        let now = Instant::now();
        for _ in 0..10 {
            assert_eq!(cause.dropped(now, "flapper"), []);
        }
    }

    #[test]
    fn a_server_that_is_down_excuses_even_one_however_late_it_is_known() {
        let mut cause = CommonCause::default();
        let now = Instant::now();
        cause.dropped(now, "only");
        cause.dropped(now + 15 * SECOND, "later");
        assert_eq!(cause.server_down(now + SECOND), [("only", now), ("later", now + 15 * SECOND)]);
        assert_eq!(cause.dropped(now + 20 * SECOND, "late"), [("late", now + 20 * SECOND)]);
        cause.server_up();
        assert_eq!(cause.dropped(now + 50 * SECOND, "only"), []);
    }

    #[test]
    fn ten_thousand_that_fall_together_are_counted_once_each() {
        let mut cause = CommonCause::default();
        (0..10_000).for_each(|account| cause.ready(account));
        let now = Instant::now();
        let excused: usize = (0..10_000).map(|account| cause.dropped(now, account).len()).sum();
        assert_eq!(excused, 10_000);
        (0..10_000).for_each(|account| cause.ready(account));
        assert!(cause.dropped(now + 60 * SECOND, 1).is_empty(), "all of that is forgotten");
    }
}
