//! The limit of log lines about one subject: the first line of a kind at once, then one a minute with the number left out.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

/// The time for which an allowance counts.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// The most kinds of lines that are remembered: a few for each of ten thousand accounts. Further ones are left out until
/// older ones have been quiet for a minute.
const MAX_KINDS: usize = 65_536;

/// The numbers of lines of each kind that were logged in the last minute.
#[derive(Debug)]
pub(super) struct LogBudget<K> {
    windows: HashMap<K, Window>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    logged: u32,
    left_out: u64,
}

impl<K> Default for LogBudget<K> {
    fn default() -> Self {
        Self { windows: HashMap::new() }
    }
}

impl<K: Hash + Eq + Clone> LogBudget<K> {
    /// Returns true if a line of this kind may be logged, and counts it. `allowance` lines may be within a minute.
    pub(super) fn admit(&mut self, kind: K, allowance: u32, now: Instant) -> bool {
        if let Some(window) = self.windows.get_mut(&kind) {
            return window.admit(allowance, now);
        }
        if self.windows.len() >= MAX_KINDS {
            return false;
        }
        self.windows.insert(kind, Window { began: now, logged: 1, left_out: 0 });
        true
    }

    /// Returns the kinds of which lines were left out in a minute that is over, with the number of these. Forgets kinds
    /// without lines for a minute.
    pub(super) fn take_left_out(&mut self, now: Instant) -> Vec<(K, u64)> {
        let is_over = |window: &Window| now.duration_since(window.began) >= WINDOW;
        let over = self.windows.iter().filter(|(_, window)| window.left_out > 0 && is_over(window));
        let left_out = over.map(|(kind, window)| (kind.clone(), window.left_out)).collect();
        self.windows.retain(|_, window| !is_over(window));
        left_out
    }
}

impl Window {
    fn admit(&mut self, allowance: u32, now: Instant) -> bool {
        if now.duration_since(self.began) >= WINDOW {
            (self.began, self.logged) = (now, 0);
        }
        let is_admitted = self.logged < allowance;
        if is_admitted {
            self.logged += 1;
        } else {
            self.left_out += 1;
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_logged_at_once_and_then_once_a_minute_with_the_number_left_out() {
        let (mut budget, start) = (LogBudget::default(), Instant::now());
        let mut logged = Vec::new();
        let mut reported = Vec::new();
        for second in 0..=180 {
            let now = start + Duration::from_secs(second);
            reported.extend(budget.take_left_out(now).into_iter().map(|(_, lines)| (second, lines)));
            logged.extend(budget.admit("a", 1, now).then_some(second));
        }
        assert_eq!(logged, [0, 60, 120, 180]);
        assert_eq!(reported, [(60, 59), (120, 59), (180, 59)]);
    }

    #[test]
    fn each_kind_has_its_own_allowance_and_is_forgotten_when_quiet() {
        let (mut budget, start) = (LogBudget::default(), Instant::now());
        assert_eq!([1, 1, 1].map(|_| budget.admit("a", 2, start)), [true, true, false]);
        assert!(budget.admit("b", 1, start));
        assert_eq!(budget.take_left_out(start + Duration::from_millis(59_999)), []);
        assert_eq!(budget.take_left_out(start + WINDOW), [("a", 1)]);
        assert!(budget.windows.is_empty());
    }

    #[test]
    fn the_number_of_kinds_is_bounded() {
        let (mut budget, start) = (LogBudget::default(), Instant::now());
        let admitted = (0..2 * MAX_KINDS).filter(|kind| budget.admit(*kind, 1, start)).count();
        assert_eq!((admitted, budget.windows.len()), (MAX_KINDS, MAX_KINDS));
        budget.take_left_out(start + WINDOW);
        assert!(budget.admit(0, 1, start + WINDOW));
    }
}
