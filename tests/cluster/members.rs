//! Members of one process.

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use matterhost::cluster::{
    ClusterChange, ClusterSettings, Coordinator, Fence, LeaseRequest, MemberId, MemberLoop, MemberRecord,
    MemberRequest, Membership, MemoryMembership, Revision, SHARDS, ShardId, ShardRecord, ShardRunner,
    WriteError, WriteFuture,
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
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

/// A store that carries out a renewal at once. Its answer comes a while later, or is lost together with all news.
struct BadAnswers {
    store: MemoryMembership,
    delay: Option<Duration>,
}

impl Membership for BadAnswers {
    fn change_lease(&self, request: LeaseRequest) -> WriteFuture {
        let is_renewal = matches!(request, LeaseRequest::Renew(..));
        let (answer, delay) = (self.store.change_lease(request), self.delay);
        async move {
            match delay {
                Some(delay) if is_renewal => sleep(delay).await,
                None if is_renewal => return Err(WriteError::Unavailable("the answer is lost".into())),
                _ => {}
            }
            answer.await
        }
        .boxed()
    }

    fn bury(&self, id: MemberId) -> WriteFuture {
        self.store.bury(id)
    }

    fn write(&self, shard: ShardId, record: ShardRecord, expected: Revision) -> WriteFuture {
        self.store.write(shard, record, expected)
    }

    fn watch(&self) -> mpsc::Receiver<ClusterChange> {
        if self.delay.is_some() {
            return self.store.watch();
        }
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(ClusterChange::Loaded).unwrap();
        tokio::spawn(async move { sender.closed().await });
        receiver
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
    check_leaving(Some(Duration::from_millis(300))).await;
}

#[tokio::test]
async fn a_member_that_leaves_and_does_not_know_of_its_last_renewal_is_gone_at_once() {
    check_leaving(None).await;
}

async fn check_leaving(delay: Option<Duration>) {
    let ttl = Duration::from_secs(10);
    let store = MemoryMembership::new(ttl);
    let mut changes = store.watch();
    let store = Arc::new(BadAnswers { store, delay });
    let settings = ClusterSettings { lease_ttl: ttl, shards: SHARDS, most_moving: 64 };
    let coordinator = Coordinator::new(settings, contract::id("a", 1), MemberRecord::default());
    let (member, _status) = MemberLoop::new(coordinator, store, NoAccounts);
    let (requests, receiver) = mpsc::channel(8);
    let task = tokio::spawn(member.run(receiver));
    // The first change joins, the second renews.
    let mut renewals = 0;
    while renewals < 2 {
        let change = timeout(Duration::from_secs(30), changes.recv()).await.unwrap().unwrap();
        renewals += usize::from(matches!(change, ClusterChange::MemberRenewed(..)));
    }
    requests.send(MemberRequest::Leave).await.unwrap();
    task.await.unwrap();
    let gone = async { while !matches!(changes.recv().await.unwrap(), ClusterChange::MemberGone(_)) {} };
    timeout(ttl / 2, gone).await.expect("it waited for the end of its lease");
}
