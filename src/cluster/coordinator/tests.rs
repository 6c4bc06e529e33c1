use super::*;
use crate::cluster::MemberName;

const NOW: ClusterTime = ClusterTime::after_origin(Duration::from_secs(1));

fn id(name: &str) -> MemberId {
    MemberId::new(MemberName::new(name).unwrap(), 1)
}

/// A member that holds a lease, with so many shards of so many accounts each.
fn member(shards: u16, accounts: usize) -> Coordinator {
    let settings = ClusterSettings { lease_ttl: Duration::from_secs(10), shards, most_moving: 64 };
    let mut member = Coordinator::new(settings, id("a"), MemberRecord::default());
    member.set_accounts(&ShardId::first(shards).map(|shard| (shard, accounts)).collect());
    assert!(member.poll(NOW).is_empty(), "it waits until it knows what is in the store");
    member.changed(ClusterChange::Loaded, NOW);
    assert!(matches!(member.poll(NOW).as_slice(), [Command::Lease(LeaseRequest::Join(..))]));
    member.lease_answered(&id("a"), NOW, Ok(Revision(1)), NOW);
    member
}

/// Carries out all commands but those of the lease until there are none, and returns the shards that were started and
/// stopped.
fn settle(member: &mut Coordinator) -> (Vec<ShardId>, Vec<ShardId>) {
    let (mut started, mut stopped) = (Vec::new(), Vec::new());
    loop {
        let mut commands = member.poll(NOW);
        commands.retain(|command| !matches!(command, Command::Lease(_)));
        if commands.is_empty() {
            return (started, stopped);
        }
        for command in commands {
            match command {
                Command::Start(shard, _) => started.push(shard),
                Command::Stop(shard) => stopped.push(shard),
                Command::Write(shard, _, Revision(before)) => {
                    member.written(shard, Ok(Revision(before + 10)), NOW);
                }
                Command::Bury(_) | Command::Lease(_) => {}
            }
        }
    }
}

fn join(member: &mut Coordinator, other: &str) {
    member.changed(ClusterChange::MemberRenewed(id(other), MemberRecord::default(), Revision(2)), NOW);
}

#[test]
fn a_member_alone_takes_all_shards_and_stops_them_when_its_lease_is_over() {
    let mut member = member(100, 1);
    let (started, stopped) = settle(&mut member);
    assert_eq!((started.len(), stopped.len()), (100, 0));
    assert_eq!(member.overview().1, ShardCounts { running: 100, ..ShardCounts::default() });
    let over = member.fence().unwrap().closes_at();
    let stops = member.poll(over).into_iter().filter(|command| matches!(command, Command::Stop(_))).count();
    assert_eq!(stops, 100);
}

#[test]
fn a_shard_with_more_accounts_than_the_limit_moves_alone() {
    let mut member = member(40, 1_000);
    settle(&mut member);
    join(&mut member, "b");
    let (_, stopped) = settle(&mut member);
    assert_eq!(stopped.len(), 1);
    member.stopped(stopped[0]);
    assert_eq!(settle(&mut member).1, [], "the other has not taken it");
    let taken =
        ShardRecord { owner: Some(id("b")), epoch: 2, given_by: Some(id("a")), ..ShardRecord::default() };
    member.changed(ClusterChange::ShardChanged(stopped[0], taken.clone(), Revision(100)), NOW);
    assert_eq!(settle(&mut member).1, [], "its accounts do not run on the other yet");
    assert_eq!(member.overview().1.moving, 1);
    let running = ShardRecord { given_by: None, ..taken };
    member.changed(ClusterChange::ShardChanged(stopped[0], running, Revision(101)), NOW);
    assert_eq!(settle(&mut member).1.len(), 1, "the next");
}

#[test]
fn members_share_the_limit_until_the_accounts_that_the_last_one_gave_run() {
    // Another one has given away what it had to give: half of the limit, or all of it.
    for (given, moved) in [(0, 64), (32, 32), (64, 1)] {
        let mut member = member(1_000, 1);
        settle(&mut member);
        for shard in ShardId::first(given) {
            let record = ShardRecord { epoch: 1, given_by: Some(id("c")), ..ShardRecord::default() };
            member.changed(ClusterChange::ShardChanged(shard, record, Revision(1_000)), NOW);
        }
        member.set_draining(true);
        join(&mut member, "b");
        let stopped = settle(&mut member).1;
        let own = stopped.iter().filter(|shard| shard.number() >= given).count();
        assert_eq!(own, moved, "of the other: {given}");
    }
}

#[test]
fn the_next_owner_tells_when_the_accounts_of_a_shard_run() {
    let mut member = member(1, 3);
    let [shard] = ShardId::first(1).collect::<Vec<_>>()[..] else { unreachable!() };
    let given = ShardRecord { epoch: 1, given_by: Some(id("b")), ..ShardRecord::default() };
    member.changed(ClusterChange::ShardChanged(shard, given.clone(), Revision(5)), NOW);
    let write = |member: &mut Coordinator, revision| {
        let commands = member.poll(NOW);
        let written = commands.into_iter().find_map(|command| match command {
            Command::Write(_, record, _) => Some(record),
            _ => None,
        });
        written.inspect(|_| member.written(shard, Ok(Revision(revision)), NOW))
    };
    let taken = ShardRecord { owner: Some(id("a")), epoch: 2, ..given };
    assert_eq!(write(&mut member, 6), Some(taken.clone()));
    assert_eq!(settle(&mut member).0, [shard]);
    assert_eq!(write(&mut member, 7), None, "they are starting");
    member.started(shard);
    assert_eq!(write(&mut member, 7), Some(ShardRecord { given_by: None, ..taken }));
    assert_eq!(write(&mut member, 8), None, "once");
}

#[test]
fn a_member_that_drains_keeps_its_shards_until_another_can_take_them() {
    let mut member = member(40, 1);
    settle(&mut member);
    member.set_draining(true);
    assert_eq!(settle(&mut member).1, []);
    join(&mut member, "b");
    assert_eq!(settle(&mut member).1.len(), 40);
}

#[test]
fn a_release_without_an_answer_is_undone_before_the_accounts_start_again() {
    let mut member = member(1, 1);
    let (started, _) = settle(&mut member);
    member.set_draining(true);
    join(&mut member, "b");
    settle(&mut member);
    member.stopped(started[0]);
    let release = member.poll(NOW);
    assert!(
        matches!(
            release.as_slice(),
            [Command::Lease(_), Command::Write(_, ShardRecord { owner: None, .. }, _)]
                | [Command::Write(_, ShardRecord { owner: None, .. }, _)]
        ),
        "{release:?}"
    );
    member.written(started[0], Err(WriteError::Unavailable("no answer".into())), NOW);
    member.changed(ClusterChange::MemberGone(id("b")), NOW);
    member.set_draining(false);
    let later = NOW + Duration::from_secs(1);
    let commands = member.poll(later);
    let is_claim =
        |command: &Command| matches!(command, Command::Write(_, ShardRecord { owner: Some(_), .. }, _));
    assert!(commands.iter().any(is_claim), "{commands:?}");
    assert!(!commands.iter().any(|command| matches!(command, Command::Start(..))));
}

#[test]
fn a_plan_gives_shards_homes_and_lasts_until_the_members_change() {
    let mut member = member(40, 1);
    settle(&mut member);
    assert_eq!(member.rebalance(), Some(PlannedMoves::default()), "it is alone");
    join(&mut member, "b");
    member.poll(NOW);
    let before = member.targets.iter().filter(|target| **target == Some(id("a"))).count();
    let planned = member.rebalance().unwrap();
    assert_eq!((planned.shards, planned.accounts), (before.abs_diff(20), before.abs_diff(20)));
    assert!(planned.shards > 0, "the hash is even by chance: choose another number of shards");
    settle(&mut member);
    let after = member.targets.iter().filter(|target| **target == Some(id("a"))).count();
    assert_eq!((after, member.planned_homes.len()), (20, 0));
    assert_eq!(member.rebalance(), Some(PlannedMoves::default()), "once");
    member.changed(ClusterChange::MemberGone(id("b")), NOW);
    member.poll(NOW);
    assert!(member.targets.iter().all(|target| *target == Some(id("a"))), "the home is not there");
    let over = member.fence().unwrap().closes_at();
    member.poll(over);
    assert_eq!(member.rebalance(), None, "it has no lease");
}

#[test]
fn a_member_that_was_restarted_within_its_lease_gets_one_share() {
    let mut member = member(60, 1);
    settle(&mut member);
    join(&mut member, "b");
    join(&mut member, "c");
    let again = MemberId::new(MemberName::new("b").unwrap(), 2);
    member.changed(ClusterChange::MemberRenewed(again.clone(), MemberRecord::default(), Revision(3)), NOW);
    member.poll(NOW);
    assert!(
        member.rebalance().unwrap().shards > 0,
        "the hash is even by chance: choose another number of shards"
    );
    settle(&mut member);
    for of in [id("a"), again, id("c")] {
        assert_eq!(member.targets.iter().filter(|target| **target == Some(of.clone())).count(), 20, "{of}");
    }
}
