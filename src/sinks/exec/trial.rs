//! The search for the event on which a child dies.
//!
//! The events that a child had when it died are suspects. The next child is given them one by one. One that a single death
//! accuses has the child for a moment, in which most handlers that fail do so: after it the next is given, and a death accuses
//! all that were given shortly before. Those that two deaths accuse have the child for longer, and nothing else that is fresh,
//! so that a death says which event it was.
//! Events that the child had for longer without dying do not kill at once; they are not given alone, which would hold up
//! all others.
//!
//! Suspects and other events take turns: no other event waits for more than one turn of the suspects.

use std::{cmp::Reverse, time::Duration};

use tokio::time::Instant;

use crate::sinks::failing_events::{MAX_DEATHS, Suspicion};

/// The time for which a death accuses an event, and for which one that may be taken away next has the child for itself after
/// the child has read it: long enough for a handler to fail on what it reads, and so short that several slow suspects do
/// not hold up the others for a second. A turn of the suspects is as long.
pub(super) const ALONE: Duration = Duration::from_millis(200);
/// The time for which an event that one death accuses has the child for itself.
const BRIEF: Duration = Duration::from_millis(50);
/// The length of a turn of the others: at its end a death accuses none of them beside an event on trial.
const OTHERS: Duration = Duration::from_millis(220);
/// The time between two looks at how much the child has read.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A suspect that has the child for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trial {
    /// The place of its line's end in the child's input, which identifies it.
    pub(super) end: u64,
    /// The time for which it has the child for itself.
    length: Duration,
}

impl Trial {
    /// Creates a trial of that length of the event whose line ends at that place.
    pub(super) fn new(end: u64, length: Duration) -> Self {
        Self { end, length }
    }

    /// Returns true if the suspect, which the child was seen to have read at that time, has had it for long enough.
    pub(super) fn is_over(&self, read_at: Option<Instant>, now: Instant) -> bool {
        read_at.is_some_and(|read_at| now >= read_at + self.length)
    }

    /// Returns the time of the next look.
    pub(super) fn next_look(&self, read_at: Option<Instant>, now: Instant) -> Instant {
        read_at.map_or(now + LOOK_EVERY, |read_at| read_at + self.length)
    }
}

/// The turns of suspects and of other events.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The time at which the suspects' turn began.
    suspects_since: Option<Instant>,
    /// The latest end of the others' turn, and the place in the child's input where it began.
    others: Option<(Instant, u64)>,
}

impl Turns {
    /// Records that a trial begins.
    pub(super) fn begin_trial(&mut self, now: Instant) {
        self.suspects_since.get_or_insert(now);
    }

    /// Returns true if the others have waited for a whole turn of the suspects, or for its brief trials, and a long one follows.
    pub(super) fn is_others_turn(&self, now: Instant, next_is_long: bool) -> bool {
        self.suspects_since.is_some_and(|since| next_is_long || now >= since + ALONE)
    }

    /// Records that others were sent, from that place of the child's input on. The suspects' turn is over.
    pub(super) fn begin_others(&mut self, start: u64, now: Instant) {
        (self.suspects_since, self.others) = (None, Some((now + OTHERS, start)));
    }

    /// Returns the end of the others' turn if it goes on: until all are answered that were sent after a place of the
    /// child's input, as `has_after` tells, or their time has passed.
    pub(super) fn others_until(&mut self, now: Instant, has_after: impl Fn(u64) -> bool) -> Option<Instant> {
        self.others = self.others.filter(|(end, start)| now < *end && has_after(*start));
        self.others.map(|(end, _)| end)
    }
}

impl Suspicion {
    /// Returns the time for which the event is to have the child for itself; `None` if it need not.
    pub(super) fn trial_length(&self) -> Option<Duration> {
        let length = if self.may_be_last() { ALONE } else { BRIEF };
        (!self.is_slow).then_some(length)
    }

    /// Returns true if the next death may be the last with this event.
    pub(super) fn may_be_last(&self) -> bool {
        self.deaths + 1 >= MAX_DEATHS
    }

    /// Returns true if the event may be taken away after one of the next deaths, though another may be the cause. The child gets
    /// one such event at a time.
    pub(super) fn is_doubtful(&self) -> bool {
        self.is_slow && self.deaths >= MAX_DEATHS
    }

    /// Returns the rank among suspects; the lowest goes first. Among equals it is the one that the child got last.
    pub(super) fn rank(&self) -> impl Ord + use<> {
        (self.is_slow, self.may_be_last(), Reverse(self.given))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_ends_a_moment_after_the_child_has_read_the_event() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        for length in [BRIEF, ALONE] {
            let trial = Trial::new(10, length);
            assert!(!trial.is_over(None, at(5_000)), "it is not read");
            assert_eq!(trial.next_look(None, at(5_000)), at(5_000) + LOOK_EVERY);
            assert!(!trial.is_over(Some(at(6_000)), at(6_000) + length / 2));
            assert_eq!(trial.next_look(Some(at(6_000)), at(6_010)), at(6_000) + length);
            assert!(trial.is_over(Some(at(6_000)), at(6_000) + length));
        }
    }

    #[test]
    fn suspects_and_others_take_turns() {
        let (mut turns, start) = (Turns::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert!(!turns.is_others_turn(at(5_000), true), "no trial has held them up");
        turns.begin_trial(at(0));
        turns.begin_trial(at(150));
        assert!(!turns.is_others_turn(at(199), false) && turns.is_others_turn(at(200), false));
        assert!(turns.is_others_turn(at(50), true), "a long trial follows brief ones");
        assert_eq!(turns.others_until(at(200), |_| true), None);
        turns.begin_others(70, at(200));
        assert!(!turns.is_others_turn(at(300), true));
        assert_eq!(turns.others_until(at(419), |start| start == 70), Some(at(420)));
        assert_eq!(turns.others_until(at(420), |_| true), None, "their time has passed");
        turns.begin_others(70, at(500));
        assert_eq!(turns.others_until(at(501), |_| false), None, "all are answered");
        assert_eq!(turns.others_until(at(502), |_| true), None, "what is sent later is in no turn");
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
        let lengths = [Some(BRIEF), Some(BRIEF), Some(ALONE), None, None];
        assert_eq!(order.map(|it| it.trial_length()), lengths);
    }
}
