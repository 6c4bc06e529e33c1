//! The time that a person waits before the same command runs again.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::model::UserId;

/// The most runs that are remembered, which bounds memory. Beyond it the oldest is forgotten, whose person may call again.
const MAX_RUNS: usize = 10_000;

/// The last runs of the commands of a router, by person. All times are in milliseconds of server time.
#[derive(Debug, Default)]
pub(super) struct CoolDowns {
    runs: HashMap<Caller, Run>,
    /// The times at which callers ran a command, the oldest first.
    order: VecDeque<(i64, Caller)>,
}

/// A person and the command that the person called, by its place in the router.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Caller {
    pub(super) user: UserId,
    pub(super) command: usize,
}

/// The last run of a command by a person.
#[derive(Debug)]
struct Run {
    at: i64,
    event: String,
    /// The event with the answer that the person has to wait.
    told: Option<String>,
}

/// The decision on a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// The command runs.
    Run,
    /// The person has to wait for the time.
    Wait {
        /// The rest of the period.
        left: Duration,
        /// True if the person was told before, by an answer to another event.
        is_told: bool,
    },
}

impl CoolDowns {
    /// Decides on a call by an event. An event that is delivered again gets the same decision.
    pub(super) fn admit(&mut self, now: i64, caller: &Caller, event: &str, period: Duration) -> Admission {
        let period = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
        let Some(run) = self.runs.get_mut(caller).filter(|run| run.at.abs_diff(now) < period.unsigned_abs())
        else {
            self.record(now, caller, event);
            return Admission::Run;
        };
        if run.event == event {
            return Admission::Run;
        }
        let is_told = run.told.get_or_insert_with(|| event.to_owned()) != event;
        let left = run.at.saturating_add(period).saturating_sub(now);
        Admission::Wait { left: Duration::from_millis(left.unsigned_abs()), is_told }
    }

    /// Forgets a run by an event, which did nothing.
    pub(super) fn withdraw(&mut self, caller: &Caller, event: &str) {
        if self.runs.get(caller).is_some_and(|run| run.event == event) {
            self.runs.remove(caller);
        }
    }

    fn record(&mut self, now: i64, caller: &Caller, event: &str) {
        while self.order.len() >= MAX_RUNS {
            self.forget_oldest();
        }
        self.order.push_back((now, caller.clone()));
        self.runs.insert(caller.clone(), Run { at: now, event: event.to_owned(), told: None });
    }

    fn forget_oldest(&mut self) {
        if let Some((at, caller)) = self.order.pop_front()
            && self.runs.get(&caller).is_some_and(|run| run.at == at)
        {
            self.runs.remove(&caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(10);

    fn caller(user: &str, command: usize) -> Caller {
        Caller { user: user.into(), command }
    }

    #[test]
    fn a_person_waits_for_the_same_command() {
        let mut cool_downs = CoolDowns::default();
        let wait = |seconds| Admission::Wait { left: Duration::from_secs(seconds), is_told: false };
        let told = |seconds| Admission::Wait { left: Duration::from_secs(seconds), is_told: true };
        for (at, user, command, event, expected) in [
            (0, "ana", 0, "e1", Admission::Run),
            (1, "ana", 0, "e1", Admission::Run),
            (1, "ben", 0, "e2", Admission::Run),
            (1, "ana", 1, "e3", Admission::Run),
            (4, "ana", 0, "e4", wait(6)),
            (5, "ana", 0, "e4", wait(5)),
            (6, "ana", 0, "e5", told(4)),
            (10, "ana", 0, "e6", Admission::Run),
            (13, "ana", 0, "e7", wait(7)),
            (5, "ana", 0, "e8", told(15)),
            (5, "ben", 1, "e9", Admission::Run),
        ] {
            let admission = cool_downs.admit(at * 1_000, &caller(user, command), event, PERIOD);
            assert_eq!(admission, expected, "{event} at {at} s");
        }
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_is_forgotten() {
        let mut cool_downs = CoolDowns::default();
        let first = caller("first", 0);
        cool_downs.admit(0, &first, "e", PERIOD);
        for n in 0..MAX_RUNS + 10 {
            cool_downs.admit(1, &caller(&n.to_string(), 0), "e", PERIOD);
        }
        assert_eq!((cool_downs.runs.len(), cool_downs.order.len()), (MAX_RUNS, MAX_RUNS));
        assert_eq!(cool_downs.admit(2, &first, "later", PERIOD), Admission::Run);
    }

    proptest::proptest! {
        /// Two runs by different events are at least a period apart, and memory is bounded by the callers.
        #[test]
        fn runs_are_a_period_apart(calls in proptest::collection::vec((0..5_000_i64, 0..3_u8), 1..60)) {
            let (mut cool_downs, mut now, mut last) = (CoolDowns::default(), 0, HashMap::new());
            for (n, (pause, user)) in calls.into_iter().enumerate() {
                now += pause;
                let admission = cool_downs.admit(now, &caller(&user.to_string(), 0), &n.to_string(), PERIOD);
                if admission == Admission::Run {
                    let earlier = last.insert(user, now);
                    proptest::prop_assert!(earlier.is_none_or(|earlier| now - earlier >= 10_000));
                }
            }
        }
    }
}
