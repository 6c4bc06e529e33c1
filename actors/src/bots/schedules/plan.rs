//! The decision when a schedule runs.

use std::time::Duration;

use super::{Run, Schedule};
use crate::ports::Outcome;

/// The lateness, in milliseconds, up to which a run is on time: a busy machine wakes late.
const ON_TIME_MS: i64 = 60_000;

/// The pause before a run that failed for a while is tried again: long enough for a cause to pass, and few requests.
const RETRY_AFTER_MS: i64 = 60_000;

/// The most attempts of one run, an hour of them. A run ends earlier when the next one is due.
const MAX_ATTEMPTS: u32 = 60;

/// The time in milliseconds by which a clock may be put back without a run that happens twice, and so the longest time for which one
/// that was ahead keeps a schedule from running, once it is read again.
const MOST_AHEAD_MS: i64 = 60 * 60_000;

/// The runs of one schedule. All times are in Unix milliseconds of this machine's clock, which may jump.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    schedule: Schedule,
    /// The time until which all runs are done or passed over.
    done_until: i64,
    retry: Option<Retry>,
    /// The time until which all runs were said to be done, by a clock that was ahead, or is behind now.
    doubted: Option<i64>,
    /// A run that failed until the next one was due.
    replaced: Option<Run>,
}

/// A run that is tried again.
#[derive(Debug, Clone)]
struct Retry {
    run: Run,
    at: i64,
    attempts: u32,
}

/// The next step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A run is due.
    Run(Run),
    /// Nothing is due before the time.
    WaitUntil(i64),
    /// No run is left: the pattern names a year that has passed.
    Never,
}

impl Plan {
    /// Returns the plan of a schedule that has done all runs until a time.
    pub(crate) fn new(schedule: Schedule, done_until: i64) -> Self {
        Self { schedule, done_until, retry: None, doubted: None, replaced: None }
    }

    /// Returns the time until which all runs are said to be done if it lies so far ahead that a clock is or was wrong. The plan begins
    /// with the next run then, instead of waiting for that time. If it is this clock that is wrong, and is put right, none of the runs
    /// until that time happens a second time.
    pub(crate) fn doubt(&mut self, now: i64) -> Option<i64> {
        let is_ahead = self.done_until > now.saturating_add(MOST_AHEAD_MS)
            && self.schedule.next_after(now).is_some_and(|next| self.done_until > next);
        if is_ahead {
            self.doubted = Some(self.done_until);
            self.done_until = now;
        }
        self.doubted
    }

    /// Takes up a run that began in an earlier process, or before a reload, and was not done. Returns it if it began too long ago: it
    /// is passed over then.
    pub(crate) fn resume(&mut self, now: i64, due: i64) -> Option<Run> {
        if due <= self.done_until {
            return None;
        }
        let since = now.saturating_sub(due).max(0);
        let run = Run { schedule: self.schedule.name().into(), due, is_late: since > ON_TIME_MS };
        let attempts = u32::try_from(since / RETRY_AFTER_MS).unwrap_or(u32::MAX);
        if attempts >= MAX_ATTEMPTS {
            self.done(&run);
            return Some(run);
        }
        self.retry = Some(Retry { run, at: now.max(due), attempts });
        None
    }

    /// Returns the schedule.
    pub(crate) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Returns the time until which all runs are done, for the next process.
    pub(crate) fn done_until(&self) -> i64 {
        self.done_until
    }

    /// Returns the next step. Of several runs that were missed only the latest is due.
    pub(crate) fn next(&mut self, now: i64) -> Step {
        if let Some(due) = self.schedule.latest_until(now).filter(|due| *due > self.done_until)
            && self.retry.as_ref().is_none_or(|retry| retry.run.due < due)
        {
            self.replaced = self.retry.take().map(|retry| retry.run);
            let is_late = now - due > ON_TIME_MS;
            let may_be_done = self.doubted.is_some_and(|until| due <= until);
            if !is_late || !(may_be_done || self.schedule.skips_missed()) {
                return Step::Run(Run { schedule: self.schedule.name().into(), due, is_late });
            }
            self.done_until = due;
        }
        let next = self.schedule.next_after(now.max(self.done_until));
        match (&self.retry, next) {
            (Some(retry), _) if retry.at <= now => Step::Run(retry.run.clone()),
            (Some(retry), next) => Step::WaitUntil(next.map_or(retry.at, |next| next.min(retry.at))),
            (None, Some(next)) => Step::WaitUntil(next),
            (None, None) => Step::Never,
        }
    }

    /// Returns the run that failed until the next one was due, once.
    pub(crate) fn take_replaced(&mut self) -> Option<Run> {
        self.replaced.take()
    }

    /// Records the outcome of a run. Returns the cause if the run did not succeed and is not tried again.
    pub(crate) fn ended<'a>(&mut self, now: i64, run: &Run, outcome: &'a Outcome) -> Option<&'a str> {
        match outcome {
            Outcome::Retry { cause, .. } | Outcome::Hold { cause, .. } => {
                (!self.failed(now, run)).then_some(cause.as_str())
            }
            Outcome::Acknowledged => {
                self.done(run);
                None
            }
            Outcome::Rejected { cause } | Outcome::Broken { cause } => {
                self.done(run);
                Some(cause)
            }
        }
    }

    /// Records that a run does not happen here.
    pub(crate) fn pass_over(&mut self, run: &Run) {
        self.done(run);
    }

    /// Records that a run ended and is not tried again.
    fn done(&mut self, run: &Run) {
        self.done_until = self.done_until.max(run.due);
        self.retry = None;
    }

    /// Records that a run failed for a while. Returns false if it was tried often enough and is given up.
    fn failed(&mut self, now: i64, run: &Run) -> bool {
        let attempts = self.retry.as_ref().map_or(0, |retry| retry.attempts) + 1;
        if attempts >= MAX_ATTEMPTS {
            self.done(run);
            return false;
        }
        self.retry = Some(Retry { run: run.clone(), at: now.saturating_add(RETRY_AFTER_MS), attempts });
        true
    }
}

/// Returns the duration in milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    /// A midnight in UTC.
    const START: i64 = 1_704_067_200_000;

    fn hourly(skip_missed: bool) -> Plan {
        let schedule = Schedule::new("hourly", "0 * * * *").unwrap();
        Plan::new(if skip_missed { schedule.skip_missed() } else { schedule }, START)
    }

    fn run(due: i64, is_late: bool) -> Step {
        Step::Run(Run { schedule: "hourly".into(), due, is_late })
    }

    /// Returns the run that is due.
    fn due(plan: &mut Plan, now: i64) -> Run {
        match plan.next(now) {
            Step::Run(run) => run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_run_is_due_once() {
        let mut plan = hourly(false);
        assert_eq!(plan.next(START), Step::WaitUntil(START + HOUR));
        assert_eq!(plan.next(START + HOUR - 1), Step::WaitUntil(START + HOUR));
        assert_eq!(plan.next(START + HOUR), run(START + HOUR, false));
        let first = due(&mut plan, START + HOUR + 1);
        plan.done(&first);
        assert_eq!(plan.next(START + HOUR + 2), Step::WaitUntil(START + 2 * HOUR));
        assert_eq!(plan.done_until(), START + HOUR);
    }

    #[test]
    fn of_missed_runs_only_the_latest_happens() {
        let mut plan = hourly(false);
        let now = START + 5 * HOUR + 2 * MINUTE;
        assert_eq!(plan.next(now), run(START + 5 * HOUR, true));
        let late = due(&mut plan, now);
        plan.done(&late);
        assert_eq!(plan.next(now), Step::WaitUntil(START + 6 * HOUR));
        let mut plan = hourly(true);
        assert_eq!(plan.next(now), Step::WaitUntil(START + 6 * HOUR));
        assert_eq!(plan.next(START + 6 * HOUR + MINUTE), run(START + 6 * HOUR, false), "on time");
    }

    #[test]
    fn a_clock_that_is_put_back_repeats_no_run() {
        let mut plan = hourly(false);
        let first = due(&mut plan, START + HOUR);
        plan.done(&first);
        assert_eq!(plan.next(START + HOUR - MINUTE), Step::WaitUntil(START + 2 * HOUR));
    }

    #[test]
    fn a_failed_run_is_tried_again_until_the_next_one() {
        let mut plan = hourly(false);
        let first = due(&mut plan, START + HOUR);
        assert!(plan.failed(START + HOUR, &first));
        assert_eq!(plan.next(START + HOUR), Step::WaitUntil(START + HOUR + MINUTE));
        assert_eq!(due(&mut plan, START + HOUR + MINUTE), first);
        assert!(plan.failed(START + 2 * HOUR - MINUTE / 2, &first));
        assert_eq!(plan.next(START + 2 * HOUR - 1), Step::WaitUntil(START + 2 * HOUR));
        assert_eq!(plan.next(START + 2 * HOUR), run(START + 2 * HOUR, false), "the next one takes its place");
        assert_eq!((plan.take_replaced(), plan.take_replaced()), (Some(first), None));
    }

    #[test]
    fn a_run_that_always_fails_ends() {
        let daily = Schedule::new("daily", "0 1 * * *").unwrap();
        let mut plan = Plan::new(daily, START);
        let (mut now, mut attempts) = (START + HOUR, 0);
        while let Step::Run(run) = plan.next(now) {
            attempts += 1;
            plan.failed(now, &run);
            now += MINUTE;
        }
        assert_eq!(attempts, MAX_ATTEMPTS);
        assert_eq!(plan.next(now), Step::WaitUntil(START + 25 * HOUR));
    }

    #[test]
    fn a_clock_that_was_ahead_does_not_silence_a_schedule() {
        const YEAR: i64 = 365 * 24 * HOUR;
        for (ahead, doubted) in
            [(YEAR, true), (2 * HOUR, true), (HOUR, false), (MINUTE, false), (-HOUR, false)]
        {
            let now = START + MINUTE;
            let mut plan = Plan::new(Schedule::new("hourly", "0 * * * *").unwrap(), now + ahead);
            assert_eq!(plan.doubt(now), doubted.then_some(now + ahead), "{ahead}");
            if doubted {
                assert_eq!(plan.next(now), Step::WaitUntil(START + HOUR));
                assert_eq!(plan.next(START + HOUR), run(START + HOUR, false));
            }
        }
        let daily = Schedule::new("daily", "0 10 * * *").unwrap();
        let mut plan = Plan::new(daily, START + 10 * HOUR);
        assert_eq!(
            plan.doubt(START + 6 * HOUR),
            None,
            "its next run is done, and it waits for the one after it"
        );
    }

    #[test]
    fn a_clock_that_is_put_right_repeats_nothing() {
        let mut plan = Plan::new(Schedule::new("hourly", "0 * * * *").unwrap(), START);
        // The machine begins without the time.
        assert_eq!(plan.doubt(MINUTE), Some(START));
        assert_eq!(plan.next(MINUTE), Step::WaitUntil(HOUR));
        assert_eq!(plan.next(START + 2 * MINUTE), Step::WaitUntil(START + HOUR), "that of midnight is done");
        assert_eq!(plan.next(START + 3 * HOUR + 2 * MINUTE), run(START + 3 * HOUR, true));
    }

    #[test]
    fn a_run_that_began_is_taken_up_again() {
        let mut plan = hourly(true);
        assert_eq!(plan.resume(START + HOUR + 5 * MINUTE, START + HOUR), None);
        let late = due(&mut plan, START + HOUR + 5 * MINUTE);
        assert_eq!(Step::Run(late.clone()), run(START + HOUR, true));
        for minute in 5..59 {
            assert!(plan.failed(START + HOUR + minute * MINUTE, &late), "{minute}");
        }
        assert!(!plan.failed(START + HOUR + 59 * MINUTE, &late), "an hour at most, together");

        let mut plan = hourly(true);
        assert_eq!(plan.resume(START + HOUR + MINUTE, START + HOUR), None);
        assert_eq!(plan.next(START + 2 * HOUR), run(START + 2 * HOUR, false));
        assert_eq!(plan.take_replaced().map(|run| run.due), Some(START + HOUR));

        let mut plan = hourly(true);
        let passed_over = plan.resume(START + 3 * HOUR, START + HOUR).unwrap();
        assert_eq!((passed_over.due, plan.done_until()), (START + HOUR, START + HOUR));
        assert_eq!(plan.resume(START + 3 * HOUR, START + HOUR), None, "it is done");
    }

    proptest::proptest! {
        /// With any steps of the clock, runs are due in order, and none twice after it was done.
        #[test]
        fn no_run_happens_twice(steps in proptest::collection::vec((-2 * HOUR..3 * HOUR, proptest::bool::ANY), 1..40)) {
            let (mut plan, mut now, mut last) = (hourly(false), START, START);
            for (step, succeeds) in steps {
                now += step;
                if let Step::Run(run) = plan.next(now) {
                    proptest::prop_assert!(run.due > last, "{} after {}", run.due, last);
                    if succeeds {
                        last = run.due;
                        plan.done(&run);
                    } else {
                        plan.failed(now, &run);
                    }
                }
            }
        }
    }
}
