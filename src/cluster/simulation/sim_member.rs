//! The members of the model.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fastrand::Rng;

use super::{
    Millis,
    sim_store::{Answer, Store, StoreRequest},
};
use crate::cluster::{
    ClusterChange, ClusterSettings, ClusterTime, Coordinator, Fence, LeaseRequest, MemberId, MemberName,
    MemberRecord, ShardId,
};

/// A request of a member.
#[derive(Debug)]
pub(super) struct Instruction {
    pub(super) request: StoreRequest,
    /// By the member's clock.
    pub(super) sent_at: ClusterTime,
    /// True if it waits for the end of a partition.
    pub(super) is_held_up: bool,
    /// True once its time limit is over.
    pub(super) is_abandoned: bool,
}

pub(super) struct SimMember {
    pub(super) name: usize,
    pub(super) coordinator: Coordinator,
    pub(super) is_alive: bool,
    pub(super) is_draining: bool,
    pub(super) paused_until: Millis,
    pub(super) cut_until: Millis,
    /// The time since when it holds a lease and nothing is wrong with it.
    pub(super) well_since: Option<Millis>,
    /// True while it has been notified of changes that it has not seen.
    pub(super) is_notified: bool,
    /// Changes with every poll.
    pub(super) turn: u64,
    /// The number of shards that it has stopped.
    pub(super) stops: usize,
    /// The shards whose accounts have started and not yet stopped.
    active: BTreeMap<ShardId, (Fence, u64)>,
    starts: u64,
    /// The starts after which the accounts do not run yet, and the shards whose accounts do.
    pending: BTreeSet<u64>,
    running: BTreeSet<ShardId>,
    /// The number of changes of the store that it has seen; `None` until it has loaded.
    seen: Option<usize>,
    /// Its clock: ahead of that of the model, and its rate in millionths.
    ahead: Millis,
    rate: u64,
    accounts: BTreeMap<ShardId, usize>,
    /// Chooses the marks of ended members that do not arrive; `None` if all do.
    lost_marks: Option<Rng>,
}

/// The accounts in a shard.
fn accounts(shard: ShardId, shards: u16) -> usize {
    // A thousand shards have about one account each.
    if shards > 100 { 1 } else { usize::from(shard.number() % 4) }
}

impl SimMember {
    pub(super) fn new(
        name: usize,
        process: u64,
        settings: ClusterSettings,
        now: Millis,
        rng: &mut Rng,
    ) -> Self {
        let id = MemberId::new(MemberName::new(&format!("m{name}")).unwrap(), process);
        let mut coordinator = Coordinator::new(settings, id, MemberRecord::default());
        let accounts: BTreeMap<_, _> =
            ShardId::first(settings.shards).map(|shard| (shard, accounts(shard, settings.shards))).collect();
        coordinator.set_accounts(&accounts);
        Self {
            name,
            coordinator,
            is_alive: true,
            is_draining: false,
            paused_until: now,
            cut_until: now,
            well_since: None,
            is_notified: false,
            turn: 0,
            stops: 0,
            active: BTreeMap::new(),
            starts: 0,
            pending: BTreeSet::new(),
            running: BTreeSet::new(),
            seen: None,
            ahead: rng.u64(..1_000_000),
            // Half a percent is far more than clocks differ.
            rate: rng.u64(995_000..=1_005_000),
            accounts,
            lost_marks: (rng.u8(..4) == 0).then(|| rng.fork()),
        }
    }

    /// Returns the time of its clock.
    pub(super) fn clock(&self, now: Millis) -> ClusterTime {
        ClusterTime::after_origin(Duration::from_micros(now * self.rate / 1_000 + self.ahead * 1_000))
    }

    /// Returns the time of the model until its clock has a time.
    pub(super) fn until(&self, time: ClusterTime, now: Millis) -> Millis {
        let left = time.since(self.clock(now)).as_micros();
        (u64::try_from(left).unwrap() * 1_000 / self.rate).max(1)
    }

    pub(super) fn jump(&mut self, by: Millis) {
        self.ahead += by;
    }

    pub(super) fn load(&mut self, store: &Store, now: ClusterTime) {
        self.seen = Some(store.log.len());
        store.snapshot().into_iter().for_each(|change| self.coordinator.changed(change, now));
        self.coordinator.changed(ClusterChange::Loaded, now);
    }

    /// Sees the changes in the store since it was loaded. Returns true if one of them is lost.
    pub(super) fn watch(&mut self, store: &Store, now: ClusterTime) -> bool {
        let mut any_lost = false;
        self.is_notified = false;
        let Some(seen) = self.seen else { return false };
        self.seen = Some(store.log.len());
        for change in store.log.iter().skip(seen) {
            let chance = self.lost_marks.as_mut().filter(|_| matches!(change, ClusterChange::MemberGone(_)));
            if chance.is_some_and(|rng| rng.u8(..5) == 0) {
                any_lost = true;
            } else {
                self.coordinator.changed(change.clone(), now);
            }
        }
        any_lost
    }

    pub(super) fn answered(&mut self, to: &Instruction, Answer(result): Answer, now: ClusterTime) {
        if to.is_abandoned {
            return;
        }
        match &to.request {
            StoreRequest::Lease(LeaseRequest::Join(id, _) | LeaseRequest::Renew(id, ..)) => {
                self.coordinator.lease_answered(id, to.sent_at, result, now);
            }
            StoreRequest::Lease(LeaseRequest::Leave(..)) => {}
            StoreRequest::Bury(id) => self.coordinator.buried(id, &result, now),
            StoreRequest::Write(shard, ..) => self.coordinator.written(*shard, result, now),
        }
    }

    /// Begins to start the accounts of a shard, and returns the number of the start.
    pub(super) fn start(&mut self, shard: ShardId, fence: Fence) -> u64 {
        self.starts += 1;
        let before = self.active.insert(shard, (fence, self.starts));
        assert!(before.is_none(), "shard {shard} was started twice");
        self.pending.insert(self.starts);
        self.starts
    }

    pub(super) fn started(&mut self, shard: ShardId, start: u64) {
        if self.pending.remove(&start) {
            self.running.insert(shard);
        }
        self.coordinator.started(shard);
    }

    pub(super) fn started_in(&mut self, shard: ShardId) -> u64 {
        self.stops += 1;
        let start = self.active[&shard].1;
        self.pending.remove(&start);
        self.running.remove(&shard);
        start
    }

    pub(super) fn stopped(&mut self, shard: ShardId, start: u64) {
        assert_eq!(self.active.remove(&shard).map(|(_, started)| started), Some(start));
        self.coordinator.stopped(shard);
    }

    /// Returns true if it would hand over events of a shard now.
    pub(super) fn is_open(&self, shard: ShardId, now: Millis) -> bool {
        self.is_alive && self.active.get(&shard).is_some_and(|(fence, _)| fence.is_open(self.clock(now)))
    }

    /// Returns the number of shards whose accounts run.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    pub(super) fn owned(&self) -> impl Iterator<Item = ShardId> {
        self.active.keys().copied()
    }

    /// Returns the number of accounts that it is giving away.
    pub(super) fn moving_weight(&self) -> usize {
        if self.is_alive {
            self.coordinator.moving().map(|shard| self.accounts[&shard].max(1)).sum()
        } else {
            0
        }
    }

    pub(super) fn update_wellness(&mut self, now: Millis) {
        let has_lease = self.coordinator.fence().is_some_and(|fence| fence.is_open(self.clock(now)));
        let is_well = self.is_alive
            && !self.is_draining
            && has_lease
            && now >= self.paused_until
            && now >= self.cut_until;
        self.well_since = is_well.then(|| self.well_since.unwrap_or(now));
    }
}
