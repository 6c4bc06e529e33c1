//! Members of one process.

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use matterhost::cluster::{
    ClusterChange, ClusterSettings, Coordinator, Fence, LeaseRequest, MemberId, MemberLoop, MemberRecord,
    MemberRequest, Membership, MemoryMembership, Revision, SHARDS, ShardId, ShardRecord, ShardRunner,
    WriteFuture,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use crate::{contract, sharing};

#[tokio::test(start_paused = true)]
async fn the_store_in_memory_fulfils_the_contract() {
    let ttl = Duration::from_secs(10);
    contract::check_contract(Arc::new(MemoryMembership::new(ttl)), ttl).await;
}

#[tokio::test]
async fn members_of_one_process_share_the_shards() {
    let ttl = Duration::from_secs(2);
    sharing::check_members(Arc::new(MemoryMembership::new(ttl)), ttl).await;
}

/// A store that carries out a renewal at once, and answers a while later.
struct SlowAnswers(MemoryMembership, Duration);

impl Membership for SlowAnswers {
    fn change_lease(&self, request: LeaseRequest) -> WriteFuture {
        let delay = if matches!(request, LeaseRequest::Renew(..)) { self.1 } else { Duration::ZERO };
        let answer = self.0.change_lease(request);
        async move {
            sleep(delay).await;
            answer.await
        }
        .boxed()
    }

    fn bury(&self, id: MemberId) -> WriteFuture {
        self.0.bury(id)
    }

    fn write(&self, shard: ShardId, record: ShardRecord, expected: Revision) -> WriteFuture {
        self.0.write(shard, record, expected)
    }

    fn watch(&self) -> mpsc::Receiver<ClusterChange> {
        self.0.watch()
    }
}

struct NoAccounts;

impl ShardRunner for NoAccounts {
    fn start(&mut self, _: ShardId, _: Fence) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }

    fn stop(&mut self, _: ShardId) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}

#[tokio::test]
async fn a_member_that_leaves_while_it_renews_its_lease_is_gone_at_once() {
    let ttl = Duration::from_secs(20);
    let store = Arc::new(SlowAnswers(MemoryMembership::new(ttl), Duration::from_millis(300)));
    let mut changes = store.watch();
    let settings = ClusterSettings { lease_ttl: ttl, shards: SHARDS, most_moving: 64 };
    let coordinator = Coordinator::new(settings, contract::id("a", 1), MemberRecord::default());
    let (member, _status) = MemberLoop::new(coordinator, store, NoAccounts);
    let (requests, receiver) = mpsc::channel(8);
    let task = tokio::spawn(member.run(receiver));
    // The first change joins, the second renews; the answer is on its way.
    let mut renewals = 0;
    while renewals < 2 {
        let change = timeout(Duration::from_secs(30), changes.recv()).await.unwrap().unwrap();
        renewals += usize::from(matches!(change, ClusterChange::MemberRenewed(..)));
    }
    let left = Instant::now();
    requests.send(MemberRequest::Leave).await.unwrap();
    task.await.unwrap();
    let gone = async { while !matches!(changes.recv().await.unwrap(), ClusterChange::MemberGone(_)) {} };
    timeout(ttl / 2, gone).await.unwrap();
    assert!(left.elapsed() < ttl / 2, "it did not wait for the end of its lease");
}
