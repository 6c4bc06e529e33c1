use super::*;

fn at(seconds: u64) -> ClusterTime {
    ClusterTime::after_origin(Duration::from_secs(seconds))
}

fn account(n: usize) -> AccountName {
    AccountName::new(&format!("bot-{n}")).unwrap()
}

/// Begins the next step, and returns its account.
fn begin(lanes: &mut ActionLanes, now: ClusterTime) -> Option<AccountName> {
    lanes.begin(now).map(|order| order.account)
}

#[test]
fn an_account_has_one_step_at_a_time_until_nothing_waits() {
    let (mut lanes, now, a, b) = (ActionLanes::default(), at(1), account(1), account(2));
    for account in [&a, &b, &a] {
        lanes.stored(account);
    }
    assert_eq!(begin(&mut lanes, now).as_ref(), Some(&a));
    assert_eq!(begin(&mut lanes, now).as_ref(), Some(&b));
    assert_eq!(begin(&mut lanes, now), None, "both are at work");
    lanes.end(&a, StepEnd::Finished, now);
    lanes.stored(&b);
    lanes.end(&b, StepEnd::Empty, now);
    assert_eq!(begin(&mut lanes, now).as_ref(), Some(&a));
    assert_eq!(begin(&mut lanes, now).as_ref(), Some(&b), "stored since it was asked");
    lanes.end(&a, StepEnd::Empty, now);
    lanes.end(&b, StepEnd::Elsewhere, now);
    assert_eq!((begin(&mut lanes, now), lanes.lanes.len(), lanes.at_work), (None, 0, 0));
}

#[test]
fn an_account_that_cannot_send_rests_ever_longer_beside_the_others() {
    let (mut lanes, mut now, broken) = (ActionLanes::default(), at(10), account(0));
    lanes.stored(&broken);
    let mut rests = Vec::new();
    for _ in 0..6 {
        assert_eq!(begin(&mut lanes, now).as_ref(), Some(&broken));
        lanes.end(&broken, StepEnd::NotNow, now);
        lanes.stored(&account(1));
        assert_eq!(begin(&mut lanes, now), Some(account(1)), "the others go on");
        lanes.end(&account(1), StepEnd::Empty, now);
        let until = lanes.next_time().unwrap();
        rests.push(until.since(now));
        now = until;
    }
    for (rest, shortest) in rests.iter().zip([500, 1_000, 2_000, 4_000, 5_000, 5_000]) {
        let shortest = Duration::from_millis(shortest);
        assert!((shortest..=shortest * 5 / 4).contains(rest), "{rests:?}");
    }
    assert_eq!(begin(&mut lanes, now).as_ref(), Some(&broken));
    lanes.end(&broken, StepEnd::Finished, now);
    assert_eq!(begin(&mut lanes, now).as_ref(), Some(&broken), "at once");
    lanes.end(&broken, StepEnd::NotNow, now);
    assert_eq!(lanes.next_time().unwrap().since(now), rests[0]);
}

#[test]
fn accounts_that_fail_together_do_not_come_back_together() {
    let (mut lanes, now) = (ActionLanes::default(), at(1));
    (0..100).for_each(|n| lanes.stored(&account(n)));
    while let Some(order) = lanes.begin(now) {
        lanes.end(&order.account, StepEnd::NotNow, now);
    }
    let times: BTreeSet<_> = lanes.resting.iter().map(|(time, _)| *time).collect();
    assert!(times.len() > 80, "{} times", times.len());
}

#[test]
fn no_more_accounts_are_at_work_than_allowed_and_none_is_forgotten() {
    let (mut lanes, now) = (ActionLanes::default(), at(1));
    let all = MOST_AT_WORK + 10;
    (0..all).for_each(|n| lanes.stored(&account(n)));
    let mut begun: Vec<_> = std::iter::from_fn(|| begin(&mut lanes, now)).collect();
    assert_eq!(begun.len(), MOST_AT_WORK);
    lanes.end(&account(0), StepEnd::Empty, now);
    lanes.end(&account(0), StepEnd::Empty, now);
    begun.extend(std::iter::from_fn(|| begin(&mut lanes, now)));
    assert_eq!(begun.len(), MOST_AT_WORK + 1, "an end counts once");
    (1..all).for_each(|n| lanes.end(&account(n), StepEnd::Empty, now));
    begun.extend(std::iter::from_fn(|| begin(&mut lanes, now)));
    begun.sort();
    begun.dedup();
    assert_eq!(begun.len(), all);
}

#[test]
fn an_account_that_stays_unknown_is_refused_after_a_minute() {
    let (mut lanes, a) = (ActionLanes::default(), account(1));
    lanes.stored(&a);
    let mut now = at(0);
    while now < at(60) {
        let order = lanes.begin(now).unwrap();
        assert!(!order.refuses_unknown, "{now:?}");
        lanes.end(&a, StepEnd::Unknown, now);
        now = lanes.next_time().unwrap();
    }
    assert!(lanes.begin(now).unwrap().refuses_unknown);
    lanes.end(&a, StepEnd::Refused, now);
    assert!(lanes.begin(now).unwrap().refuses_unknown, "the next as well");
    lanes.end(&a, StepEnd::Finished, now);
    lanes.begin(now).unwrap();
    lanes.end(&a, StepEnd::Unknown, now);
    let now = lanes.next_time().unwrap();
    assert!(!lanes.begin(now).unwrap().refuses_unknown, "it was known meanwhile");
}

#[test]
fn an_action_that_is_late_by_itself_is_given_up_and_another_one_begins_anew() {
    let deadline = Duration::from_secs(900);
    for (seconds, tries) in [(900, 2), (30, 60)] {
        let (mut lanes, a, mut now) = (ActionLanes::default(), account(1), at(0));
        let waited = Duration::from_secs(seconds);
        lanes.stored(&a);
        for sequence in [7, 8] {
            for n in 1..=tries {
                let order = lanes.begin(now).unwrap();
                assert_eq!(order.late.is_over(sequence, waited, deadline), n == tries, "{sequence}, try {n}");
                lanes.end(&a, StepEnd::Late { sequence, waited }, now);
                now = lanes.next_time().unwrap();
            }
        }
    }
}
