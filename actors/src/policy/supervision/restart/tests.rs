use super::*;
use crate::policy::RestartSettings;

const SECOND: Duration = Duration::from_secs(1);

fn tracker(max_restarts: u32) -> RestartTracker {
    let settings = RestartSettings { max_restarts, random_factor: 0.0, ..RestartSettings::default() };
    RestartTracker::new(RestartPolicy::new(settings).unwrap())
}

fn ready(seconds: u64) -> RunSummary {
    RunSummary { ready_for: Some(Duration::from_secs(seconds)), ..RunSummary::default() }
}

fn after(next: RestartDecision) -> u64 {
    match next {
        RestartDecision::Start { after, .. }
        | RestartDecision::PollBlocked(after)
        | RestartDecision::PollMisconfigured(after) => after.as_secs(),
        RestartDecision::Stop | RestartDecision::MoveArbiter | RestartDecision::Trip { .. } => {
            panic!("{next:?}")
        }
    }
}

fn dropped() -> CloseReason {
    CloseReason::Dropped { cause: "reset".into() }
}

#[test]
fn recycles_that_follow_each_other_wait_longer_and_longer() {
    let mut tracker = tracker(5);
    let stale = CloseReason::Stale { baseline: 1, seen: 2 };
    let delays: Vec<u64> = (0..8).map(|_| after(tracker.ended(Instant::now(), &stale, ready(1)))).collect();
    assert_eq!(delays, [0, 1, 2, 4, 8, 16, 32, 60], "the first recycle does not wait");
    assert_eq!(tracker.budget().used(Instant::now()), 0, "a touched account costs nothing");
    assert_eq!(after(tracker.ended(Instant::now(), &stale, ready(60))), 0, "a settled run resets the delays");
}

#[test]
fn a_401_to_the_first_connection_after_a_recycle_is_verified_a_second_later() {
    let mut tracker = tracker(0);
    let now = Instant::now();
    tracker.ended(now, &CloseReason::Deaf { error: "x".into() }, ready(1));
    let mut refused = |run| after(tracker.ended(now, &CloseReason::Unauthorized, run));
    assert_eq!(refused(RunSummary::default()), 1);
    assert!(refused(RunSummary::default()) >= 4, "then it is polled slowly");
}

#[test]
fn delays_of_failed_connects_go_back_when_one_works_and_others_after_a_run_ready_for_reset_after() {
    let mut tracker = tracker(5);
    let now = Instant::now();
    let unreachable = CloseReason::Unreachable { cause: "refused".into() };
    for expected in [1, 2, 4] {
        assert_eq!(after(tracker.ended(now, &unreachable, RunSummary::default())), expected);
    }
    for expected in [1, 2, 4] {
        assert_eq!(after(tracker.ended(now, &dropped(), ready(59))), expected);
    }
    assert_eq!(after(tracker.ended(now, &unreachable, RunSummary::default())), 1);
    assert_eq!(after(tracker.ended(now, &dropped(), ready(60))), 1);
}

#[test]
fn a_dropped_run_is_charged_only_when_it_was_flapping() {
    for (run, used) in [(ready(59), 1), (ready(60), 0), (RunSummary { reading_paused: true, ..ready(1) }, 0)]
    {
        let mut tracker = tracker(5);
        let now = Instant::now();
        tracker.ended(now, &dropped(), run);
        assert_eq!(tracker.budget().used(now), used, "{run:?}");
    }
}

#[test]
fn a_401_uses_no_budget_and_is_asked_from_5_seconds_to_5_minutes() {
    let mut tracker = tracker(0);
    for nominal in [5, 10, 20, 40, 80, 160, 300, 300] {
        let RestartDecision::PollBlocked(wait) =
            tracker.ended(Instant::now(), &CloseReason::Unauthorized, RunSummary::default())
        else {
            panic!("expected PollBlocked");
        };
        let nominal = Duration::from_secs(nominal);
        assert!(
            wait >= nominal.mul_f64(0.8) && wait <= nominal.mul_f64(1.2),
            "{wait:?}, not about {nominal:?}"
        );
    }
    let RestartDecision::PollBlocked(wait) =
        tracker.ended(Instant::now(), &CloseReason::Unauthorized, ready(1))
    else {
        panic!()
    };
    assert!(wait <= 6 * SECOND, "it was ready in between: the next poll is early");
}

#[test]
fn retry_after_is_the_least_to_wait() {
    let mut tracker = tracker(5);
    let limited = CloseReason::RateLimited { retry_after: Some(30 * SECOND) };
    assert_eq!(after(tracker.ended(Instant::now(), &limited, RunSummary::default())), 30);
    let for_ages = CloseReason::RateLimited { retry_after: Some(Duration::MAX) };
    assert_eq!(
        after(tracker.ended(Instant::now(), &for_ages, RunSummary::default())),
        300,
        "an implausible wait is capped"
    );
}

#[test]
fn only_a_drop_may_resume() {
    let resumes = |reason: &CloseReason| match tracker(5).ended(Instant::now(), reason, ready(100)) {
        RestartDecision::Start { resume, .. } => resume,
        _ => false,
    };
    assert!(resumes(&dropped()) && resumes(&CloseReason::Silent));
    for reason in [
        CloseReason::Stale { baseline: 1, seen: 2 },
        CloseReason::Deaf { error: "x".into() },
        CloseReason::Oversized { limit: 1 },
        CloseReason::Panicked,
        CloseReason::OperatorRestart,
    ] {
        assert!(!resumes(&reason), "{reason}");
    }
}

#[test]
fn faults_trip_and_a_refund_undoes_it() {
    let mut tracker = tracker(1);
    let now = Instant::now();
    assert_eq!(after(tracker.ended(now, &CloseReason::Panicked, ready(1))), 1);
    let later = now + SECOND;
    let tripped = tracker.ended(later, &dropped(), ready(1));
    assert_eq!(tripped, RestartDecision::Trip { cooldown: 300 * SECOND, charged: later });
    assert_eq!(tracker.refund(later), (true, SECOND), "the delays start over");
    assert_eq!(tracker.breaker_state(), BreakerState::Closed);
}

#[test]
fn half_open_survives_what_is_free_and_ends_with_a_settled_run() {
    let mut tracker = tracker(0);
    let now = Instant::now();
    tracker.ended(now, &CloseReason::Panicked, RunSummary::default());
    tracker.cooled_down();
    tracker.ended(now, &CloseReason::Unreachable { cause: "x".into() }, RunSummary::default());
    assert!(matches!(tracker.breaker_state(), BreakerState::HalfOpen { .. }));
    tracker.ended(now, &CloseReason::Stale { baseline: 1, seen: 2 }, ready(60));
    assert_eq!(tracker.breaker_state(), BreakerState::Closed);
}
