use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> ClusterTime {
    ClusterTime::after_origin(Duration::from_secs(seconds))
}

fn account(n: usize) -> AccountName {
    AccountName::new(&format!("bot-{n}")).unwrap()
}

fn server(n: usize) -> ServerName {
    ServerName::new(&format!("server-{n}")).unwrap()
}

/// The account of a number is on the server of the rest after a division by the number of servers.
fn of(servers: usize) -> impl Fn(&AccountName) -> Option<ServerName> {
    move |account| {
        let n: usize = account.as_str().strip_prefix("bot-")?.parse().ok()?;
        Some(server(n % servers))
    }
}

/// Begins the next step, and returns its account.
fn begin(lanes: &mut ActionLanes, now: ClusterTime) -> Option<AccountName> {
    lanes.begin(now, of(1)).map(|order| order.account)
}

fn at_work(lanes: &ActionLanes) -> usize {
    lanes.at_work().map(|(_, count)| count).sum()
}

fn order(lanes: &mut ActionLanes, now: ClusterTime) -> StepOrder {
    lanes.begin(now, of(1)).unwrap()
}

const DONE: StepEnd = StepEnd::Finished(ActionOutcome::Done);

#[test]
fn an_account_has_one_step_at_a_time_until_nothing_waits() {
    let (mut lanes, now, a, b) = (ActionLanes::default(), at(1), account(1), account(2));
    for account in [&a, &b, &a] {
        lanes.stored(account);
    }
    assert_eq!(begin(&mut lanes, now).as_ref(), Some(&a));
    assert_eq!(begin(&mut lanes, now).as_ref(), Some(&b));
    assert_eq!(begin(&mut lanes, now), None, "both are at work");
    lanes.end(&a, DONE, now);
    lanes.stored(&b);
    lanes.end(&b, StepEnd::Empty, now);
    assert_eq!(begin(&mut lanes, now).as_ref(), Some(&a));
    assert_eq!(begin(&mut lanes, now).as_ref(), Some(&b), "stored since it was asked");
    lanes.end(&a, StepEnd::Empty, now);
    lanes.end(&b, StepEnd::Elsewhere, now);
    assert_eq!((begin(&mut lanes, now), lanes.lanes.len(), lanes.servers.len()), (None, 0, 0));
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
    lanes.end(&broken, DONE, now);
    assert_eq!(begin(&mut lanes, now).as_ref(), Some(&broken), "at once");
    lanes.end(&broken, StepEnd::NotNow, now);
    assert_eq!(lanes.next_time().unwrap().since(now), rests[0]);
}

#[test]
fn accounts_that_fail_together_do_not_come_back_together() {
    let (mut lanes, now) = (ActionLanes::default(), at(1));
    (0..100).for_each(|n| lanes.stored(&account(n)));
    while let Some(account) = begin(&mut lanes, now) {
        lanes.end(&account, StepEnd::NotNow, now);
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
        let order = order(&mut lanes, now);
        assert!(!order.refuses_unknown, "{now:?}");
        lanes.end(&a, StepEnd::Unknown, now);
        now = lanes.next_time().unwrap();
    }
    assert!(order(&mut lanes, now).refuses_unknown);
    lanes.end(&a, StepEnd::Finished(ActionOutcome::UnknownAccount), now);
    assert!(order(&mut lanes, now).refuses_unknown, "the next as well");
    lanes.end(&a, DONE, now);
    order(&mut lanes, now);
    lanes.end(&a, StepEnd::Unknown, now);
    let now = lanes.next_time().unwrap();
    assert!(!order(&mut lanes, now).refuses_unknown, "it was known meanwhile");
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
                let order = order(&mut lanes, now);
                assert_eq!(
                    order.tries.ends_late(sequence, waited, deadline),
                    n == tries,
                    "{sequence}, try {n}"
                );
                lanes.end(&a, StepEnd::Late { sequence, waited }, now);
                now = lanes.next_time().unwrap();
            }
        }
    }
}

#[test]
fn an_action_that_crashes_is_given_up_and_another_one_begins_anew() {
    let (mut lanes, a, mut now) = (ActionLanes::default(), account(1), at(0));
    lanes.stored(&a);
    for sequence in [7, 8] {
        for n in 1..=3 {
            let order = order(&mut lanes, now);
            assert_eq!(order.tries.ends_by_crash(sequence), n == 3, "{sequence}, try {n}");
            lanes.end(&a, StepEnd::Crashed { sequence }, now);
            now = lanes.next_time().unwrap();
        }
    }
    lanes.end(&a, StepEnd::NotNow, now);
    let order = order(&mut lanes, now);
    assert!(order.tries.ends_by_crash(8), "what is not the action's own changes nothing");
    let day = Duration::from_secs(86_400);
    assert!(!order.tries.ends_late(8, day, day), "nor is a crash late");
}

#[test]
fn finished_actions_are_counted_by_outcome() {
    let (mut lanes, a, now) = (ActionLanes::default(), account(1), at(1));
    lanes.stored(&a);
    let outcomes = [ActionOutcome::Done, ActionOutcome::Expired, ActionOutcome::Done, ActionOutcome::Crashed];
    for outcome in outcomes {
        assert_eq!(begin(&mut lanes, now).as_ref(), Some(&a));
        lanes.end(&a, StepEnd::Finished(outcome), now);
        lanes.end(&a, StepEnd::Finished(outcome), now);
    }
    let counted: Vec<_> = lanes.finished().by_label().into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [("done", 2), ("crashed", 1), ("expired", 1)]);
}

#[test]
fn a_server_that_hangs_leaves_the_others_their_places() {
    let (mut lanes, now, servers) = (ActionLanes::default(), at(1), 4);
    lanes.set_servers(servers, 1);
    // All accounts of three servers come before those of the fourth.
    let many = 2 * MOST_AT_WORK;
    (0..many).filter(|n| n % servers != 3).for_each(|n| lanes.stored(&account(n)));
    let begun = std::iter::from_fn(|| lanes.begin(now, of(servers))).count();
    assert_eq!(begun, MOST_AT_WORK / 4 * 3, "each has its share alone");
    (0..many).filter(|n| n % servers == 3).for_each(|n| lanes.stored(&account(n)));
    let begun: Vec<_> = std::iter::from_fn(|| lanes.begin(now, of(servers))).collect();
    assert_eq!(begun.len(), MOST_AT_WORK / 4, "though the others hang");
    assert!(begun.iter().all(|order| of(servers)(&order.account) == Some(server(3))));
    let seen: Vec<_> = lanes.at_work().map(|(server, count)| (server.clone(), count)).collect();
    assert_eq!(seen, [0, 1, 2, 3].map(|n| (server(n), MOST_AT_WORK / 4)));
}

#[test]
fn the_share_is_that_of_the_servers_of_the_configuration_and_never_nothing() {
    for (servers, share) in [(0, MOST_AT_WORK), (1, MOST_AT_WORK), (3, 341), (1_024, 1), (5_000, 1)] {
        let (mut lanes, now) = (ActionLanes::default(), at(1));
        lanes.set_servers(servers, 1);
        (0..MOST_AT_WORK + 10).for_each(|n| lanes.stored(&account(n)));
        assert_eq!(std::iter::from_fn(|| begin(&mut lanes, now)).count(), share, "{servers} servers");
    }
}

#[test]
fn an_account_that_changes_its_server_or_becomes_known_is_counted_anew() {
    let (mut lanes, now) = (ActionLanes::default(), at(1));
    lanes.set_servers(MOST_AT_WORK, 1);
    (0..4).for_each(|n| lanes.stored(&account(n)));
    assert_eq!(lanes.begin(now, |_| None).map(|order| order.account), Some(account(0)));
    assert_eq!(lanes.begin(now, |_| None), None, "the accounts of no server have one place, too");
    assert_eq!(at_work(&lanes), 0, "they do nothing at a server");
    lanes.set_servers(MOST_AT_WORK, 2);
    assert_eq!(begin(&mut lanes, now), Some(account(1)), "the configuration has it by now");
    assert_eq!(begin(&mut lanes, now), None, "its server has one place");
    lanes.set_servers(MOST_AT_WORK, 3);
    assert_eq!(lanes.begin(now, |_| Some(server(7))).map(|order| order.account), Some(account(2)));
    lanes.set_servers(1, 3);
    assert_eq!(lanes.begin(now, |_| Some(server(7))), None, "it is the same configuration");
    lanes.set_servers(1, 4);
    assert_eq!(lanes.begin(now, |_| Some(server(7))).map(|order| order.account), Some(account(3)));
    (0..4).for_each(|n| lanes.end(&account(n), StepEnd::Empty, now));
    assert_eq!((lanes.lanes.len(), lanes.servers.len(), at_work(&lanes)), (0, 0, 0));
}

proptest! {
    // The accounts of those that do not hang have their turn, and no server has more than its share.
    #[test]
    fn no_server_waits_for_another(
        servers in 1_usize..6,
        hanging in prop::collection::vec(any::<bool>(), 6),
        stored in prop::collection::vec(0_usize..600, 1..300),
    ) {
        let (mut lanes, now) = (ActionLanes::default(), at(1));
        // As small as with a thousand servers.
        lanes.set_servers(MOST_AT_WORK / 4, 1);
        let hangs = |account: &AccountName| {
            of(servers)(account).is_some_and(|of| (0..servers).any(|n| hanging[n] && server(n) == of))
        };
        let (mut done, mut hung) = (BTreeSet::new(), HashMap::<_, usize>::new());
        for n in &stored {
            lanes.stored(&account(*n));
            while let Some(order) = lanes.begin(now, of(servers)) {
                if hangs(&order.account) {
                    *hung.entry(of(servers)(&order.account)).or_default() += 1;
                } else {
                    lanes.end(&order.account, StepEnd::Empty, now);
                    done.insert(order.account);
                }
            }
        }
        let all = stored.iter().map(|n| account(*n));
        let well: BTreeSet<_> = all.filter(|account| !hangs(account)).collect();
        prop_assert_eq!(done, well);
        prop_assert!(hung.values().all(|count| *count <= 4), "{:?}", hung);
    }
}
