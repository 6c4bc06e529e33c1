//! Members that share the shards of one store.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use matterhost::cluster::{
    ClusterSettings, ClusterStatus, ClusterTime, Coordinator, Fence, MemberLoop, MemberRecord, MemberRequest,
    Membership, SHARDS, ShardId, ShardRunner,
};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, spawn},
    time::timeout,
};

use crate::contract;

/// The longest wait for what is certain to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// The shards that run on each member, with their fences.
type Running = Arc<Mutex<BTreeMap<(u64, ShardId), Fence>>>;

struct Recorder {
    member: u64,
    running: Running,
}

impl ShardRunner for Recorder {
    fn start(&mut self, shard: ShardId, fence: Fence) -> BoxFuture<'static, ()> {
        let now = ClusterTime::now();
        let mut running = self.running.lock().unwrap();
        let others = running.iter().filter(|((_, other), fence)| *other == shard && fence.is_open(now));
        assert_eq!(others.count(), 0, "shard {shard} still runs");
        running.insert((self.member, shard), fence);
        async {}.boxed()
    }

    fn stop(&mut self, shard: ShardId) -> BoxFuture<'static, ()> {
        self.running.lock().unwrap().remove(&(self.member, shard));
        async {}.boxed()
    }
}

pub(crate) struct Member {
    requests: mpsc::Sender<MemberRequest>,
    status: watch::Receiver<ClusterStatus>,
    task: JoinHandle<()>,
}

impl Member {
    fn start(number: u64, store: Arc<dyn Membership>, running: &Running, ttl: Duration) -> Self {
        let settings = ClusterSettings { lease_ttl: ttl, shards: SHARDS, most_moving: 64 };
        let id = contract::id(&format!("m{number}"), number);
        let coordinator = Coordinator::new(settings, id, MemberRecord::default());
        let runner = Recorder { member: number, running: Arc::clone(running) };
        let (member, status) = MemberLoop::new(coordinator, store, runner);
        let (requests, receiver) = mpsc::channel(8);
        Self { requests, status, task: spawn(member.run(receiver)) }
    }

    async fn wait_for(&mut self, fits: impl Fn(&ClusterStatus) -> bool) -> ClusterStatus {
        let seen = self.status.clone();
        let status = timeout(PATIENCE, self.status.wait_for(|status| fits(status))).await;
        assert!(status.is_ok(), "{:?}", seen.borrow());
        status.unwrap().unwrap().clone()
    }

    /// Waits until this member and so many others own all shards, and nothing moves.
    async fn settled(&mut self, members: usize) -> ClusterStatus {
        let fair = usize::from(SHARDS) / members;
        self.wait_for(|status| {
            let is_fair = status.shards.running.abs_diff(fair) < fair / 4 + 1;
            status.members.len() == members
                && is_fair
                && status.is_settled
                && status.shards.awaited == 0
                && status.shards.moving == 0
                && status.shards.unowned == 0
        })
        .await
    }
}

/// Runs members through joining, draining, a kill and leaving.
pub(crate) async fn check_members(store: Arc<dyn Membership>, ttl: Duration) {
    let running = Running::default();
    let start = |number| Member::start(number, Arc::clone(&store), &running, ttl);
    let mut first = start(1);
    first.settled(1).await;
    let (mut second, mut third) = (start(2), start(3));
    for member in [&mut first, &mut second, &mut third] {
        member.settled(3).await;
    }
    let count = running.lock().unwrap().len();
    assert_eq!(count, usize::from(SHARDS));
    third.requests.send(MemberRequest::SetDraining(true)).await.unwrap();
    third.wait_for(|status| status.shards.running == 0 && status.shards.moving == 0).await;
    third.requests.send(MemberRequest::SetDraining(false)).await.unwrap();
    third.settled(3).await;
    third.task.abort();
    first.settled(2).await;
    second.settled(2).await;
    second.requests.send(MemberRequest::Leave).await.unwrap();
    first.settled(1).await;
}
