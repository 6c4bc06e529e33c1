use super::*;
use crate::sinks::tests::fixtures::{post, post_of};

const LIMITS: AttemptLimits = AttemptLimits { max_attempts: 4, max_age: Duration::from_secs(100) };

fn event(channel: &str, id: &str) -> Message {
    Message::from_event(&post(channel, id))
}

fn is_given_up(next: &NextAttempt) -> bool {
    matches!(next, NextAttempt::GiveUp(_))
}

#[test]
fn an_event_that_always_fails_is_given_up_after_so_many_attempts() {
    let (mut failing, now) = (FailingEvents::new(LIMITS), Instant::now());
    let mut last = Duration::ZERO;
    for _ in 1..LIMITS.max_attempts {
        let NextAttempt::After(after) = failing.record_failure(&event("c", "1"), Failure::Event, now) else {
            panic!("given up too early")
        };
        assert!(after > last, "{after:?} after {last:?}");
        last = after;
        failing.record_answer(&event("d", "2"));
    }
    let next = failing.record_failure(&event("c", "1"), Failure::Event, now);
    assert_eq!(next, NextAttempt::GiveUp("given up after 4 attempts (max_attempts)".into()));
}

#[test]
fn a_handler_that_fails_on_everything_loses_no_event_before_its_maximum_age() {
    let (mut failing, start) = (FailingEvents::new(LIMITS), Instant::now());
    let events: Vec<_> = (0..5).map(|n| event(&format!("c{n}"), &n.to_string())).collect();
    for second in 0..100 {
        let now = start + Duration::from_secs(second);
        for event in &events {
            assert!(!is_given_up(&failing.record_failure(event, Failure::Event, now)), "{second} s");
        }
    }
    let end = start + LIMITS.max_age;
    for event in &events {
        let next = failing.record_failure(event, Failure::Event, end);
        assert_eq!(next, NextAttempt::GiveUp("given up after 1m 40s (max_age)".into()));
        failing.forget(event);
    }
    // Nor do the events given up count as answers to others.
    for _ in 0..LIMITS.max_attempts {
        failing.forget(&event("d", "other"));
        assert!(!is_given_up(&failing.record_failure(&event("e", "6"), Failure::Event, end)));
    }
}

#[test]
fn with_one_attempt_an_event_is_not_tried_again() {
    let mut failing = FailingEvents::new(AttemptLimits { max_attempts: 1, ..LIMITS });
    let next = failing.record_failure(&event("c", "1"), Failure::Event, Instant::now());
    assert_eq!(next, NextAttempt::GiveUp("given up after 1 attempts (max_attempts)".into()));
}

#[test]
fn an_event_that_fails_for_too_long_is_given_up() {
    for failure in [Failure::Event, Failure::Deferred] {
        let (mut failing, start) = (FailingEvents::new(LIMITS), Instant::now());
        failing.record_failure(&event("c", "1"), failure, start);
        let just_before = start + LIMITS.max_age - Duration::from_secs(1);
        assert!(!is_given_up(&failing.record_failure(&event("c", "1"), failure, just_before)));
        let next = failing.record_failure(&event("c", "1"), failure, start + LIMITS.max_age);
        assert_eq!(next, NextAttempt::GiveUp("given up after 1m 40s (max_age)".into()));
    }
}

/// A stream that is full takes an event now and then.
#[test]
fn an_event_for_which_there_is_no_room_is_never_given_up() {
    let (mut failing, start) = (FailingEvents::new(LIMITS), Instant::now());
    for hour in 0..100 {
        let now = start + Duration::from_secs(3_600 * hour);
        assert!(!is_given_up(&failing.record_failure(&event("c", "1"), Failure::Place, now)));
        failing.record_answer(&event("d", "2"));
    }
}

#[test]
fn a_deferred_event_is_not_limited_by_attempts() {
    let (mut failing, now) = (FailingEvents::new(LIMITS), Instant::now());
    for _ in 0..100 {
        assert!(!is_given_up(&failing.record_failure(&event("c", "1"), Failure::Deferred, now)));
    }
}

#[test]
fn trouble_of_the_handler_gives_no_event_up_unless_others_are_answered_meanwhile() {
    let (mut failing, start) = (FailingEvents::new(LIMITS), Instant::now());
    for hour in 0..100 {
        let now = start + Duration::from_secs(3600 * hour);
        assert!(!is_given_up(&failing.record_failure(&event("c", "1"), Failure::Handler, now)));
    }
    for _ in 1..LIMITS.max_attempts {
        failing.record_answer(&event("d", "2"));
        assert!(!is_given_up(&failing.record_failure(&event("c", "1"), Failure::Handler, start)));
    }
    failing.record_answer(&event("d", "2"));
    assert!(is_given_up(&failing.record_failure(&event("c", "1"), Failure::Handler, start)));
}

#[test]
fn an_answer_or_another_event_resets_the_count() {
    let (mut failing, now) = (FailingEvents::new(LIMITS), Instant::now());
    for id in ["1", "2", "3"] {
        for _ in 1..LIMITS.max_attempts {
            assert!(!is_given_up(&failing.record_failure(&event("c", id), Failure::Event, now)), "{id}");
            failing.record_answer(&event("d", "other"));
        }
        if id == "2" {
            failing.record_answer(&event("c", "2"));
        }
    }
}

#[test]
fn a_held_channel_is_held_for_its_event_alone() {
    let (mut failing, now) = (FailingEvents::new(LIMITS), Instant::now());
    failing.hold(&event("c", "1"), Duration::from_secs(60), now);
    assert_eq!(failing.held_for(&event("c", "1"), now), Some(Duration::from_secs(60)));
    assert_eq!(failing.held_for(&event("d", "2"), now), None);
    assert_eq!(failing.held_for(&event("c", "1"), now + Duration::from_secs(60)), None);
}

#[test]
fn an_event_is_taken_away_after_the_third_death_if_that_is_certain_and_after_the_sixth_in_any_case() {
    let now = Instant::now();
    let die = |failing: &mut FailingEvents, is_certain| {
        !failing
            .record_deaths(&[(event("c", "1"), Death { given: now, is_slow: false, is_certain })])
            .is_empty()
    };
    for (certain, last) in [([false, false, true], true), ([true, true, false], false), ([true; 3], true)] {
        let mut failing = FailingEvents::new(LIMITS);
        let taken = certain.map(|is_certain| die(&mut failing, is_certain));
        assert_eq!(taken, [false, false, last], "{certain:?}");
        assert_eq!(failing.suspicion(&event("c", "1")).map(|it| it.deaths), Some(3));
        assert_eq!(failing.suspicion(&event("c", "2")), None);
        failing.record_answer(&event("c", "1"));
        assert_eq!(failing.suspicion(&event("c", "1")), None);
    }
    let mut failing = FailingEvents::new(LIMITS);
    let taken: Vec<_> = (0..6).map(|_| die(&mut failing, false)).collect();
    assert_eq!(taken, [false, false, false, false, false, true]);
}

#[test]
fn what_a_certain_event_has_done_is_not_held_against_others() {
    let (mut failing, now) = (FailingEvents::new(LIMITS), Instant::now());
    let slow = event("slow", "slow");
    let death =
        |event: &Message, is_certain| (event.clone(), Death { given: now, is_slow: true, is_certain });
    for n in 0..10 {
        let killer = event("killers", &n.to_string());
        for _ in 0..2 {
            assert!(failing.record_deaths(&[death(&killer, false), death(&slow, false)]).is_empty());
        }
        assert_eq!(failing.suspicion(&slow).map(|it| it.deaths), Some(2));
        assert_eq!(failing.record_deaths(&[death(&killer, true)]), [0]);
        assert_eq!(failing.suspicion(&slow), None);
        failing.forget(&killer);
    }
}

#[test]
fn an_answer_to_a_person_says_nothing_about_the_posts_of_the_channel() {
    let (mut failing, now) = (FailingEvents::new(LIMITS), Instant::now());
    let death = Death { given: now, is_slow: false, is_certain: true };
    failing.record_deaths(&[(event("c", "1"), death)]);
    failing.record_answer(&Message { is_hook: true, ..event("c", "hook") });
    assert_eq!(failing.suspicion(&event("c", "1")).map(|it| it.deaths), Some(1));
}

#[test]
fn the_events_of_an_account_that_has_left_are_forgotten() {
    let (mut failing, now) = (FailingEvents::new(LIMITS), Instant::now());
    let of = |account: &str| Message::from_event(&post_of(account, "c", "1"));
    for account in ["a", "b"] {
        failing.record_failure(&of(account), Failure::Event, now);
    }
    failing.forget_account(&AccountName::new("a").unwrap());
    assert_eq!((failing.has_failed(&of("a")), failing.has_failed(&of("b"))), (false, true));
}

#[test]
fn memory_is_bounded() {
    let (mut failing, now) = (FailingEvents::new(LIMITS), Instant::now());
    for channel in 0..MAX_FAILING_CHANNELS {
        failing.record_failure(&event(&channel.to_string(), "1"), Failure::Event, now);
    }
    let next = failing.record_failure(&event("one more", "1"), Failure::Event, now);
    assert_eq!(next, NextAttempt::After(RETRY.max));
    assert_eq!(failing.by_channel.len(), MAX_FAILING_CHANNELS);
}
