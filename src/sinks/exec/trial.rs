//! The search for the event on which a child dies.
//!
//! The events that a child had when it died are suspects. The next child is given them one by one: each has the child for
//! itself until it is answered or has not killed it for a moment, so that a death says which event it was. The event that has just
//! killed a child goes after those of which less is known: one event that kills makes them wait for one start, not for three.
//! Events that the child had for longer without dying do not kill at once; they are not given alone, which would hold up
//! all others.

use std::{cmp::Reverse, time::Duration};

use tokio::time::Instant;

use crate::sinks::failing_events::{MAX_DEATHS, Suspicion};

/// The time for which a suspect has the child for itself after the child has read it: long enough for a handler to fail on
/// what it reads, and so short that several slow suspects do not hold up the others for a second.
pub(super) const ALONE: Duration = Duration::from_millis(200);
/// The time between two looks at how much the child has read.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A suspect that has the child for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trial {
    /// The place of its line's end in the child's input, which identifies it.
    pub(super) end: u64,
    /// The time at which the child was seen to have read it.
    read_at: Option<Instant>,
}

impl Trial {
    /// Begins a trial of the event whose line ends at that place.
    pub(super) fn begin(end: u64) -> Self {
        Self { end, read_at: None }
    }

    /// Records how many bytes the child has read by now. Returns true if the suspect has had the child for long enough.
    pub(super) fn is_over(&mut self, read: u64, now: Instant) -> bool {
        if read < self.end {
            return false;
        }
        now.duration_since(*self.read_at.get_or_insert(now)) >= ALONE
    }

    /// Returns the time of the next look.
    pub(super) fn next_look(&self, now: Instant) -> Instant {
        self.read_at.map_or(now + LOOK_EVERY, |read_at| read_at + ALONE)
    }
}

impl Suspicion {
    /// Returns true if the event is to have the child for itself.
    pub(super) fn needs_trial(&self) -> bool {
        !self.is_slow
    }

    /// Returns true if the event may be taken away after one of the next deaths, though another may be the cause. The child gets
    /// one such event at a time.
    pub(super) fn is_doubtful(&self) -> bool {
        self.is_slow && self.deaths >= MAX_DEATHS
    }

    /// Returns the rank among suspects; the lowest goes first. Among equals it is the one that the child got last.
    pub(super) fn rank(&self) -> impl Ord + use<> {
        (self.is_slow, self.deaths + 1 >= MAX_DEATHS, Reverse(self.given))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_ends_a_moment_after_the_child_has_read_the_event() {
        let (mut trial, start) = (Trial::begin(10), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert!(!trial.is_over(9, at(5_000)), "it is not read");
        assert_eq!(trial.next_look(at(5_000)), at(5_000) + LOOK_EVERY);
        assert!(!trial.is_over(10, at(6_000)));
        assert_eq!(trial.next_look(at(6_000)), at(6_000) + ALONE);
        assert!(!trial.is_over(99, at(6_000) + ALONE / 2));
        assert!(trial.is_over(99, at(6_000) + ALONE));
    }

    #[test]
    fn those_that_have_killed_a_child_go_after_others_and_slow_ones_last() {
        let start = Instant::now();
        let suspicion = |deaths, millis, is_slow| Suspicion {
            deaths,
            given: start + Duration::from_millis(millis),
            is_slow,
        };
        let order = [
            suspicion(1, 9, false),
            suspicion(1, 1, false),
            suspicion(2, 5, false),
            suspicion(1, 7, true),
            suspicion(4, 5, true),
        ];
        assert!(order.is_sorted_by_key(Suspicion::rank));
        assert_eq!(order.map(|it| it.is_doubtful()), [false, false, false, false, true]);
    }
}
