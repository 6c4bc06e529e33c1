//! The loop of one member: it carries out what its coordinator decides.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::FuturesUnordered,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep,
};

use super::{
    ClusterChange, ClusterTime, Command, Coordinator, Fence, LeaseRequest, MemberId, Membership,
    PlannedMoves, Revision, ShardCounts, ShardId, WriteError,
};

/// Changes, or results, that are taken before the next decision: those of a thousand shards come at once.
const MOST_CHANGES: usize = 256;

/// The attempts to end the lease, and the pause between two: together longer than NATS takes to elect a leader. A member that
/// ends while no NATS answers waits no longer than that.
const LEAVE_ATTEMPTS: u32 = 20;
const LEAVE_PAUSE: Duration = Duration::from_millis(300);

/// The owner of the accounts, which starts and stops those of a shard.
pub trait ShardRunner: Send + 'static {
    /// Starts the accounts of a shard. They hand over events only while the fence is open. It is over once they run, or are
    /// known not to for a while: until then they count as moving if another member has given them away.
    fn start(&mut self, shard: ShardId, fence: Fence) -> BoxFuture<'static, ()>;

    /// Stops the accounts of a shard. It is over once they hand over nothing any more.
    fn stop(&mut self, shard: ShardId) -> BoxFuture<'static, ()>;
}

/// A request to a member.
#[derive(Debug)]
pub enum MemberRequest {
    /// Gives its shards away, or takes shards again.
    SetDraining(bool),
    /// Weighs the shards by their accounts.
    SetAccounts(BTreeMap<ShardId, usize>),
    /// Shares the accounts evenly. The sender gets the planned moves, or `None` without a lease.
    Rebalance(oneshot::Sender<Option<PlannedMoves>>),
    /// Ends the membership: the accounts have stopped.
    Leave,
}

/// The deeds of a member since its process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemberCounts {
    /// Requests for the lease that succeeded.
    pub renewals: u64,
    /// Requests for the lease that failed.
    pub failed_renewals: u64,
    /// Leases that were over before they were renewed.
    pub lost_leases: u64,
    /// Shards whose accounts were started.
    pub started_shards: u64,
    /// Shards whose accounts were stopped.
    pub stopped_shards: u64,
}

/// The cluster, as a member sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterStatus {
    /// True while the member holds a lease.
    pub is_member: bool,
    /// The names of the live members, each with true if it is draining.
    pub members: BTreeMap<MemberId, bool>,
    /// The numbers of shards.
    pub shards: ShardCounts,
    /// True once the member has had all its shards under its lease. Others that come and go do not change it.
    pub is_settled: bool,
    /// The deeds of the member.
    pub counts: MemberCounts,
    /// The live owner of each shard, by number.
    pub owners: Arc<[Option<MemberId>]>,
}

impl ClusterStatus {
    /// Returns the live owner of a shard.
    pub fn owner(&self, shard: ShardId) -> Option<&MemberId> {
        self.owners.get(usize::from(shard.number()))?.as_ref()
    }
}

/// The loop of one member.
pub struct MemberLoop<R> {
    coordinator: Coordinator,
    store: Arc<dyn Membership>,
    runner: R,
    status: watch::Sender<ClusterStatus>,
    /// The reason why the last request for the lease failed, if it did.
    lease_problem: Option<String>,
    counts: MemberCounts,
    pending: FuturesUnordered<BoxFuture<'static, Done>>,
}

/// Something that is done, with its result.
enum Done {
    Lease(MemberId, ClusterTime, Result<Revision, WriteError>),
    Bury(MemberId, Result<Revision, WriteError>),
    Write(ShardId, Result<Revision, WriteError>),
    Start(ShardId),
    Stop(ShardId),
}

impl<R: ShardRunner> MemberLoop<R> {
    /// Returns the loop of a member that has not joined yet, and what it sees of the cluster.
    pub fn new(
        coordinator: Coordinator,
        store: Arc<dyn Membership>,
        runner: R,
    ) -> (Self, watch::Receiver<ClusterStatus>) {
        let (status, seen) = watch::channel(ClusterStatus::default());
        (
            Self {
                coordinator,
                store,
                runner,
                status,
                lease_problem: None,
                counts: MemberCounts::default(),
                pending: FuturesUnordered::new(),
            },
            seen,
        )
    }

    /// Runs until the member leaves, or the sender of requests is dropped.
    pub async fn run(mut self, mut requests: mpsc::Receiver<MemberRequest>) {
        let mut changes = self.store.watch();
        loop {
            self.decide();
            let now = ClusterTime::now();
            let wait = self.coordinator.wake_at(now).since(now);
            tokio::select! {
                change = changes.recv() => match change {
                    Some(change) => self.take_changes(change, &mut changes),
                    // It lagged behind: it begins anew.
                    None => changes = self.store.watch(),
                },
                Some(done) = self.pending.next(), if !self.pending.is_empty() => self.take_all(done),
                request = requests.recv() => match request {
                    Some(MemberRequest::SetDraining(draining)) => self.coordinator.set_draining(draining),
                    Some(MemberRequest::SetAccounts(accounts)) => self.coordinator.set_accounts(&accounts),
                    // An error means that the operator waits no more.
                    Some(MemberRequest::Rebalance(planned)) => drop(planned.send(self.coordinator.rebalance())),
                    Some(MemberRequest::Leave) | None => return self.leave().await,
                },
                () = sleep(wait) => {}
            }
        }
    }

    fn take_changes(&mut self, first: ClusterChange, changes: &mut mpsc::Receiver<ClusterChange>) {
        let now = ClusterTime::now();
        self.coordinator.changed(first, now);
        for _ in 1..MOST_CHANGES {
            let Ok(change) = changes.try_recv() else { return };
            self.coordinator.changed(change, now);
        }
    }

    /// Takes what is done, and all else that is done by now: one decision costs a look at each shard.
    fn take_all(&mut self, first: Done) {
        self.take(first);
        for _ in 1..MOST_CHANGES {
            let Some(Some(done)) = self.pending.next().now_or_never() else { return };
            self.take(done);
        }
    }

    fn take(&mut self, done: Done) {
        let now = ClusterTime::now();
        match done {
            Done::Lease(id, sent_at, result) => {
                self.lease_problem = result.as_ref().err().map(ToString::to_string);
                self.counts.renewals += u64::from(result.is_ok());
                self.counts.failed_renewals += u64::from(result.is_err());
                self.coordinator.lease_answered(&id, sent_at, result, now);
            }
            Done::Bury(id, result) => self.coordinator.buried(&id, &result, now),
            Done::Write(shard, result) => self.coordinator.written(shard, result, now),
            Done::Start(shard) => self.coordinator.started(shard),
            Done::Stop(shard) => self.coordinator.stopped(shard),
        }
    }

    /// Carries out what is to be done now, and shows what has changed.
    fn decide(&mut self) {
        let now = ClusterTime::now();
        for command in self.coordinator.poll(now) {
            self.carry_out(command, now);
        }
        let is_lost = self.status.borrow().is_member && self.coordinator.fence().is_none();
        self.counts.lost_leases += u64::from(is_lost);
        let status = self.look();
        self.log_membership(&status);
        self.status.send_if_modified(|before| {
            let is_modified = *before != status;
            *before = status;
            is_modified
        });
    }

    /// Returns the cluster as it is now.
    fn look(&self) -> ClusterStatus {
        let before = self.status.borrow();
        let is_member = self.coordinator.fence().is_some();
        let (owners, shards) = self.coordinator.overview();
        let has_all = shards.awaited == 0 && shards.unowned == 0;
        ClusterStatus {
            is_member,
            members: self.coordinator.members().map(|(id, record)| (id.clone(), record.draining)).collect(),
            shards,
            is_settled: is_member && (before.is_settled || has_all),
            counts: self.counts,
            // The list has a thousand entries and seldom changes.
            owners: if before.owners.iter().map(Option::as_ref).eq(owners.iter().copied()) {
                Arc::clone(&before.owners)
            } else {
                owners.into_iter().map(Option::<&MemberId>::cloned).collect()
            },
        }
    }

    fn log_membership(&self, status: &ClusterStatus) {
        match (self.status.borrow().is_member, status.is_member) {
            (false, true) => tracing::info!(member = %self.coordinator.id(), "joined the cluster"),
            (true, false) => {
                let cause = self.lease_problem.as_deref().unwrap_or("no answer in time");
                tracing::warn!(
                    cause,
                    "the lease of this member is over; its accounts stop until it has joined again"
                );
            }
            (true, true) | (false, false) => {}
        }
    }

    fn carry_out(&mut self, command: Command, now: ClusterTime) {
        let store = &self.store;
        let done = match command {
            Command::Start(shard, fence) => {
                self.counts.started_shards += 1;
                self.runner.start(shard, fence).map(move |()| Done::Start(shard)).boxed()
            }
            Command::Stop(shard) => {
                self.counts.stopped_shards += 1;
                self.runner.stop(shard).map(move |()| Done::Stop(shard)).boxed()
            }
            Command::Lease(request) => {
                let (LeaseRequest::Join(id, _) | LeaseRequest::Renew(id, ..) | LeaseRequest::Leave(id)) =
                    &request;
                let id = id.clone();
                store.change_lease(request).map(move |result| Done::Lease(id, now, result)).boxed()
            }
            Command::Bury(id) => store.bury(id.clone()).map(move |result| Done::Bury(id, result)).boxed(),
            Command::Write(shard, record, expected) => {
                store.write(shard, record, expected).map(move |result| Done::Write(shard, result)).boxed()
            }
        };
        self.pending.push(done);
    }

    /// Ends the lease. While the store elects a leader, that fails.
    async fn leave(mut self) {
        let Some(request) = self.coordinator.leave() else { return };
        for attempt in 1.. {
            match self.store.change_lease(request.clone()).await {
                Ok(_) => return,
                Err(WriteError::Unavailable(_)) if attempt < LEAVE_ATTEMPTS => sleep(LEAVE_PAUSE).await,
                Err(error) => {
                    tracing::warn!(%error, "cannot leave the cluster; the others take over when the lease ends");
                    return;
                }
            }
        }
    }
}
