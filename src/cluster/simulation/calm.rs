//! Runs without faults: what moves, and how much at a time.

use super::{Millis, Model, sim_member::SimMember};
use crate::cluster::SHARDS;

/// The interval at which shards that no member runs are counted.
const COUNT_EVERY: Millis = 10;

/// Runs for some seconds without faults, and returns the most shards that no member ran at a time.
fn most_in_motion(model: &mut Model, seconds: u64) -> usize {
    let mut most = 0;
    for _ in 0..seconds * 1_000 / COUNT_EVERY {
        model.run(model.now + COUNT_EVERY);
        let running: usize = model.members.iter().map(SimMember::running).sum();
        most = most.max(usize::from(SHARDS) - running);
    }
    model.check_settled();
    most
}

#[test]
fn a_member_that_joins_takes_its_share_a_few_accounts_at_a_time() {
    let mut model = Model::new(1, 2, SHARDS, 64);
    model.run(20_000);
    let stops = |model: &Model| model.members[..2].iter().map(|member| member.stops).sum::<usize>();
    let before = stops(&model);
    model.add_member(2);
    let most = most_in_motion(&mut model, 30);
    let taken = model.members[2].running();
    assert!((256..=426).contains(&taken), "{taken} of {SHARDS} shards");
    assert!((33..=64).contains(&most), "{most} at a time");
    assert_eq!(stops(&model) - before, taken, "only what must move moves");
}

#[test]
fn members_that_are_rebalanced_have_equal_shares_and_few_accounts_move_at_a_time() {
    let mut model = Model::new(1, 3, SHARDS, 64);
    model.run(20_000);
    let shares = |model: &Model| model.members.iter().map(SimMember::running).collect::<Vec<_>>();
    let before = shares(&model);
    assert!(before.iter().any(|share| share.abs_diff(341) > 1), "{before:?} is even by chance");
    let planned = model.members[0].coordinator.rebalance().unwrap();
    let most = most_in_motion(&mut model, 10);
    let after = shares(&model);
    assert!(after.iter().all(|share| (341..=342).contains(share)), "{before:?}, then {after:?}");
    let moved: usize = before.iter().zip(&after).map(|(before, after)| before.saturating_sub(*after)).sum();
    assert_eq!(planned.shards, moved, "only what must move is planned");
    assert!((1..=64).contains(&most), "{most} at a time");
}
