//! The search for the event on which a child dies.
//!
//! The events that a child had when it died are suspects. The next child is given them one by one, each for a while: a short one
//! if one death accuses it, in which most handlers fail that fail on what they read, and a longer one if two deaths do. A
//! death accuses all that the child had read shortly before. Before a long trial the child is given nothing else until all
//! that it has is old, so that a death says which event it was; only events for which a person waits do not wait for that.
//! Events that the child had for longer without dying do not kill at once; they are not given alone, which would hold up
//! all others.
//!
//! Suspects and other events take turns, also from one child to the next: what waits is held up for less than half a second
//! by suspects.

use std::{cmp::Reverse, ops::Range, time::Duration};

use tokio::time::Instant;

use crate::sinks::failing_events::{MAX_DEATHS, Suspicion};

/// The time for which an event that may be taken away next has the child for itself after the child has read it: long enough
/// for a handler to fail on what it reads, and so short that several slow suspects do not hold up the others for a second.
/// When the suspects have had the child for as long, it is the others' turn.
pub(super) const ALONE: Duration = Duration::from_millis(200);
/// The time for which an event that one death accuses has the child for itself.
const BRIEF: Duration = Duration::from_millis(50);
/// The time after an event was read in which a death accuses it: a trial, and the time to notice the end of the child.
pub(super) const FRESH: Duration = Duration::from_millis(250);
/// The time between two looks at how much the child has read.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(10);

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

    /// Returns the time of the next look if the suspect, which the child was seen to have read at that time, has not had it
    /// for long enough.
    pub(super) fn next_look(&self, read_at: Option<Instant>, now: Instant) -> Option<Instant> {
        let until = read_at.map_or(now + LOOK_EVERY, |read_at| read_at + self.length);
        (now < until).then_some(until)
    }
}

/// The turns of suspects and of other events.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// True if a child died in the suspects' turn: the others go first.
    others_first: bool,
    /// The time at which the suspects' turn began.
    suspects_since: Option<Instant>,
    /// The place in the child's input of what the suspects wait for, in the others' turn.
    others: Option<Range<u64>>,
}

impl Turns {
    /// Returns the turns of the next child.
    pub(super) fn after_death(&self) -> Self {
        let others_first = self.others_first || self.suspects_since.is_some();
        Self { others_first, ..Self::default() }
    }

    /// Records that a trial begins.
    pub(super) fn begin_trial(&mut self, now: Instant) {
        self.suspects_since.get_or_insert(now);
    }

    /// Returns true if it is the others' turn: the suspects had theirs, or a long trial follows brief ones.
    pub(super) fn is_others_turn(&self, now: Instant, next_is_long: bool) -> bool {
        let is_over = |since| next_is_long || now >= since + ALONE;
        self.others_first || self.suspects_since.is_some_and(is_over)
    }

    /// Begins the others' turn. The suspects wait until what is at that place of the child's input is answered or old.
    pub(super) fn begin_others(&mut self, place: Range<u64>) {
        *self = Self { others: Some(place), ..Self::default() };
    }

    /// Returns the time of the next look in the others' turn, which `look` returns for a place of the child's input, if it
    /// is not over.
    pub(super) fn next_look(&mut self, look: impl Fn(&Range<u64>) -> Option<Instant>) -> Option<Instant> {
        let next = self.others.as_ref().and_then(look);
        if next.is_none() {
            self.others = None;
        }
        next
    }
}

impl Suspicion {
    /// Returns the time for which the event is to have the child for itself; `None` if it need not.
    pub(super) fn trial_length(&self) -> Option<Duration> {
        let length = if self.may_be_last() { ALONE } else { BRIEF };
        (!self.is_slow).then_some(length)
    }

    /// Returns true if the event needs a child that has read nothing else shortly before.
    pub(super) fn needs_long_trial(&self) -> bool {
        self.trial_length() == Some(ALONE)
    }

    /// Returns true if the next death may be the last with this event.
    fn may_be_last(&self) -> bool {
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
            assert_eq!(trial.next_look(None, at(5_000)), Some(at(5_000) + LOOK_EVERY), "it is not read");
            assert_eq!(trial.next_look(Some(at(6_000)), at(6_010)), Some(at(6_000) + length));
            assert_eq!(trial.next_look(Some(at(6_000)), at(6_000) + length), None);
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
        assert_eq!(turns.next_look(|_| Some(at(300))), None, "it has not begun");
        turns.begin_others(70..90);
        assert!(!turns.is_others_turn(at(5_000), true));
        assert_eq!(turns.next_look(|place| (*place == (70..90)).then(|| at(300))), Some(at(300)));
        assert_eq!(turns.next_look(|_| None), None, "all is answered or old");
        assert_eq!(turns.next_look(|_| Some(at(300))), None, "what is sent later is in no turn");
    }

    #[test]
    fn after_a_death_in_the_suspects_turn_the_others_go_first() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        assert!(!turns.after_death().is_others_turn(now, false));
        turns.begin_trial(now);
        let mut next = turns.after_death();
        assert!(next.is_others_turn(now, false) && next.after_death().is_others_turn(now, false));
        next.begin_others(0..10);
        assert!(!next.after_death().is_others_turn(now, false));
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
