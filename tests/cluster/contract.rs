//! The contract of `Membership`. Each implementation runs these tests.

use std::{sync::Arc, time::Duration};

use matterhost::cluster::{
    ClusterChange, LeaseRequest, MemberId, MemberName, MemberRecord, Membership, Revision, ShardId,
    ShardRecord, WriteError,
};
use tokio::{
    sync::mpsc::Receiver,
    time::{Instant, timeout},
};

/// The longest wait for a change that is certain to come.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn id(name: &str, process: u64) -> MemberId {
    MemberId::new(MemberName::new(name).unwrap(), process)
}

fn shard(number: u16) -> ShardId {
    ShardId::new(number).unwrap()
}

fn owned(by: &MemberId, epoch: u64) -> ShardRecord {
    ShardRecord { owner: Some(by.clone()), epoch, ..ShardRecord::default() }
}

fn record(version: &str) -> MemberRecord {
    MemberRecord { version: version.into(), draining: false }
}

/// Receives changes up to the first that fits, which is returned.
async fn wait_for(
    changes: &mut Receiver<ClusterChange>,
    fits: impl Fn(&ClusterChange) -> bool,
) -> ClusterChange {
    let found = async {
        loop {
            let change = changes.recv().await.unwrap();
            if fits(&change) {
                return change;
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap()
}

/// Runs the whole contract on an empty store whose keys of members live for a time.
pub(crate) async fn check_contract(store: Arc<dyn Membership>, ttl: Duration) {
    let mut changes = store.watch();
    wait_for(&mut changes, |change| *change == ClusterChange::Loaded).await;
    a_shard_is_changed_by_compare_and_set(&*store, &mut changes).await;
    of_many_writers_one_succeeds(&*store).await;
    a_key_lives_while_it_is_renewed(&*store, &mut changes, ttl).await;
    a_key_that_is_deleted_is_gone_at_once(&*store, &mut changes, ttl).await;
    only_what_is_not_there_is_buried(&*store, &mut changes).await;
    a_new_watcher_sees_everything_first(&*store).await;
}

async fn a_shard_is_changed_by_compare_and_set(
    store: &dyn Membership,
    changes: &mut Receiver<ClusterChange>,
) {
    let (a, b) = (id("a", 1), id("b", 1));
    let first = store.write(shard(7), owned(&a, 1), Revision::default()).await.unwrap();
    let again = store.write(shard(7), owned(&b, 1), Revision::default()).await;
    assert_eq!(again, Err(WriteError::Conflict));
    let free = ShardRecord { epoch: 1, given_by: Some(a.clone()), ..ShardRecord::default() };
    let second = store.write(shard(7), free, first).await.unwrap();
    assert!(second > first);
    assert_eq!(store.write(shard(7), owned(&b, 2), first).await, Err(WriteError::Conflict));
    let third = store.write(shard(7), owned(&b, 2), second).await.unwrap();
    let last = ClusterChange::ShardChanged(shard(7), owned(&b, 2), third);
    let mut seen = Vec::new();
    while seen.last() != Some(&last) {
        seen.push(timeout(PATIENCE, changes.recv()).await.unwrap().unwrap());
    }
    assert!(seen.contains(&ClusterChange::ShardChanged(shard(7), owned(&a, 1), first)), "{seen:?}");
}

async fn of_many_writers_one_succeeds(store: &dyn Membership) {
    for round in 0..20 {
        let writes =
            (0..8).map(|n| store.write(shard(100 + round), owned(&id("m", n), 1), Revision::default()));
        let results = futures_util::future::join_all(writes).await;
        let conflicts = results.iter().filter(|result| **result == Err(WriteError::Conflict)).count();
        assert_eq!(
            (results.iter().filter(|result| result.is_ok()).count(), conflicts),
            (1, 7),
            "{results:?}"
        );
    }
}

async fn a_key_lives_while_it_is_renewed(
    store: &dyn Membership,
    changes: &mut Receiver<ClusterChange>,
    ttl: Duration,
) {
    let a = id("a", 1);
    let mut revision = store.change_lease(LeaseRequest::Join(a.clone(), record("1"))).await.unwrap();
    let rival = store.change_lease(LeaseRequest::Join(a.clone(), record("2"))).await;
    assert_eq!(rival, Err(WriteError::Conflict));
    let joined = Instant::now();
    let mut renewed = joined;
    while joined.elapsed() < ttl * 2 {
        tokio::time::sleep(ttl / 5).await;
        renewed = Instant::now();
        let stale = revision;
        revision = store.change_lease(LeaseRequest::Renew(a.clone(), record("1"), revision)).await.unwrap();
        let late = store.change_lease(LeaseRequest::Renew(a.clone(), record("3"), stale)).await;
        assert_eq!(late, Err(WriteError::Conflict));
    }
    let of_a = |change: &ClusterChange| match change {
        ClusterChange::MemberRenewed(id, _, at) => *id == a && *at == revision,
        ClusterChange::MemberGone(id) => *id == a,
        _ => false,
    };
    assert!(
        matches!(wait_for(changes, of_a).await, ClusterChange::MemberRenewed(..)),
        "it has not expired before"
    );
    wait_for(changes, |change| *change == ClusterChange::MemberGone(a.clone())).await;
    let lived = renewed.elapsed();
    assert!(lived >= ttl, "the end of a key that lives {ttl:?} was seen after {lived:?}");
    let dead = store.change_lease(LeaseRequest::Renew(a.clone(), record("1"), revision)).await;
    assert_eq!(dead, Err(WriteError::Conflict));
}

async fn a_key_that_is_deleted_is_gone_at_once(
    store: &dyn Membership,
    changes: &mut Receiver<ClusterChange>,
    ttl: Duration,
) {
    let b = id("b", 1);
    let first = store.change_lease(LeaseRequest::Join(b.clone(), record("1"))).await.unwrap();
    let second = store.change_lease(LeaseRequest::Renew(b.clone(), record("1"), first)).await.unwrap();
    let left = Instant::now();
    let leave = || store.change_lease(LeaseRequest::Leave(b.clone()));
    assert_eq!(leave().await, Ok(Revision::default()));
    wait_for(changes, |change| *change == ClusterChange::MemberGone(b.clone())).await;
    assert!(left.elapsed() < ttl, "it did not wait for the end of its time");
    let late = store.change_lease(LeaseRequest::Renew(b.clone(), record("1"), second)).await;
    assert_eq!(late, Err(WriteError::Conflict), "a renewal that arrives late does not bring it back");
    assert_eq!(leave().await, Ok(Revision::default()), "it may be repeated");
}

async fn only_what_is_not_there_is_buried(store: &dyn Membership, changes: &mut Receiver<ClusterChange>) {
    let (live, unknown) = (id("live", 1), id("unknown", 1));
    store.change_lease(LeaseRequest::Join(live.clone(), record("1"))).await.unwrap();
    assert_eq!(store.bury(live).await, Err(WriteError::Conflict));
    store.bury(unknown.clone()).await.unwrap();
    wait_for(changes, |change| *change == ClusterChange::MemberGone(unknown.clone())).await;
    let late = store.change_lease(LeaseRequest::Join(unknown.clone(), record("1"))).await;
    assert_eq!(late, Err(WriteError::Conflict), "an identity that was buried is not used");
    assert_eq!(store.bury(unknown).await, Err(WriteError::Conflict));
}

async fn a_new_watcher_sees_everything_first(store: &dyn Membership) {
    let c = id("c", 1);
    let revision = store.change_lease(LeaseRequest::Join(c.clone(), record("1"))).await.unwrap();
    let mut changes = store.watch();
    let mut seen = Vec::new();
    while seen.last() != Some(&ClusterChange::Loaded) {
        seen.push(timeout(PATIENCE, changes.recv()).await.unwrap().unwrap());
    }
    assert!(seen.contains(&ClusterChange::MemberRenewed(c, record("1"), revision)), "{seen:?}");
    let shards = seen.iter().filter(|change| matches!(change, ClusterChange::ShardChanged(..))).count();
    assert_eq!(shards, 21, "each shard once: {seen:?}");
}
