use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn settings(max_restarts: u32) -> RestartSettings {
    RestartSettings {
        max_restarts,
        within: 100 * SECOND,
        cooldown: 10 * SECOND,
        max_cooldown: 35 * SECOND,
        ..RestartSettings::default()
    }
}

#[test]
fn the_charge_after_max_restarts_trips() {
    let start = Instant::now();
    let mut budget = Budget::new(&settings(3));
    for second in 0..3 {
        assert_eq!(budget.remaining(start + second * SECOND), 3 - second);
        assert_eq!(budget.charge(start + second * SECOND), ChargeOutcome::Allowed);
    }
    assert_eq!(budget.remaining(start + 3 * SECOND), 0);
    assert_eq!(budget.charge(start + 3 * SECOND), ChargeOutcome::Tripped(10 * SECOND));
}

#[test]
fn a_charge_leaves_the_window_exactly_when_it_is_as_old_as_the_window() {
    let start = Instant::now();
    let nanosecond = Duration::from_nanos(1);
    for (age, expected) in [
        ((100 * SECOND).checked_sub(nanosecond).unwrap(), ChargeOutcome::Tripped(10 * SECOND)),
        (100 * SECOND, ChargeOutcome::Allowed),
    ] {
        let mut budget = Budget::new(&settings(1));
        assert_eq!(budget.charge(start), ChargeOutcome::Allowed);
        assert_eq!(budget.charge(start + age), expected, "after {age:?}");
    }
}

#[test]
fn a_budget_of_none_trips_at_the_first_charge() {
    let mut budget = Budget::new(&settings(0));
    assert_eq!(budget.charge(Instant::now()), ChargeOutcome::Tripped(10 * SECOND));
}

#[test]
fn half_open_trips_again_with_twice_the_rest_up_to_the_longest() {
    let start = Instant::now();
    let mut budget = Budget::new(&settings(0));
    budget.charge(start);
    for (n, rest) in [(1, 20), (2, 35), (3, 35)] {
        budget.cooled_down();
        // The half-open state remembers the last rest long after the window is empty.
        let later = start + n * 1000 * SECOND;
        assert_eq!(budget.remaining(later), 0);
        assert_eq!(budget.charge(later), ChargeOutcome::Tripped(rest * SECOND));
    }
    budget.cooled_down();
    budget.settled();
    assert_eq!(budget.breaker_state(), BreakerState::Closed);
    assert_eq!(
        budget.charge(start + 9000 * SECOND),
        ChargeOutcome::Tripped(10 * SECOND),
        "the rest starts over"
    );
}

#[test]
fn settling_clears_only_a_half_open_budget() {
    let start = Instant::now();
    let mut budget = Budget::new(&settings(2));
    budget.charge(start);
    budget.settled();
    assert_eq!(budget.used(start), 1, "a closed budget forgets charges only with time");
}

#[test]
fn a_refund_of_the_tripping_charge_undoes_the_trip() {
    let start = Instant::now();
    let mut budget = Budget::new(&settings(1));
    budget.charge(start);
    budget.charge(start + SECOND);
    assert!(budget.refund(start + SECOND));
    assert_eq!((budget.breaker_state(), budget.remaining(start + SECOND)), (BreakerState::Closed, 0));
    assert!(!budget.refund(start + 5 * SECOND), "nothing was charged then");
}

#[test]
fn a_refund_of_an_earlier_charge_undoes_a_trip_that_needed_it() {
    let start = Instant::now();
    let mut budget = Budget::new(&settings(1));
    budget.charge(start);
    budget.charge(start + SECOND);
    assert!(budget.refund(start));
    assert_eq!((budget.breaker_state(), budget.used(start + SECOND)), (BreakerState::Closed, 1));
}

#[test]
fn a_refund_in_the_half_open_phase_leads_back_to_half_open() {
    let start = Instant::now();
    let mut budget = Budget::new(&settings(0));
    budget.charge(start);
    budget.cooled_down();
    let half_open = budget.breaker_state();
    budget.charge(start + SECOND);
    assert!(budget.refund(start + SECOND));
    assert_eq!(budget.breaker_state(), half_open);
}

#[test]
fn a_refund_in_the_half_open_phase_closes_the_budget() {
    let start = Instant::now();
    let mut budget = Budget::new(&settings(1));
    budget.charge(start);
    budget.charge(start + SECOND);
    budget.cooled_down();
    assert!(!budget.refund(start + SECOND), "it is already running");
    assert_eq!(budget.breaker_state(), BreakerState::Closed);
}

proptest! {
    /// The budget is exact: it trips at a charge if and only if more than `max_restarts` lie within the window.
    #[test]
    fn it_trips_exactly_when_a_plain_count_says_so(
        max_restarts in 0u32..6,
        gaps in proptest::collection::vec(0u64..60_000, 1..40),
    ) {
        let mut budget = Budget::new(&settings(max_restarts));
        let mut now = Instant::now();
        let mut charged: Vec<Instant> = Vec::new();
        for gap in gaps {
            now += Duration::from_millis(gap);
            charged.push(now);
            let within = charged.iter().filter(|at| now - **at < 100 * SECOND).count();
            let tripped = budget.charge(now) != ChargeOutcome::Allowed;
            prop_assert_eq!(tripped, within > max_restarts as usize);
            if tripped {
                budget.reset();
                charged.clear();
            }
        }
    }
}
