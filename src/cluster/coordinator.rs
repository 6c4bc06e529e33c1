//! The decisions of one member of a cluster.

mod ownership;
mod rebalance;

pub use self::rebalance::PlannedMoves;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use self::ownership::{Activity, MovingLimit, Ownership};
use super::{
    ClusterChange, ClusterTime, Fence, LeaseRequest, LeaseTiming, MemberId, MemberName, MemberRecord,
    Revision, SHARDS, ShardId, ShardRecord, WriteError, lease::Lease, member_view::MemberView, placement,
};

/// Writes to shards that a member has under way at a time: enough to take over a thousand shards in well under a second.
const MAX_WRITES: usize = 64;

/// Ended members that are remembered although no shard names them, until they are forgotten together.
const MAX_GONE: usize = 64;

/// The settings of a cluster; the same for all its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterSettings {
    /// The lifetime of a member's lease.
    pub lease_ttl: Duration,
    /// The number of shards. Only tests have fewer than [`SHARDS`].
    pub shards: u16,
    /// The most accounts that the members together move at a time, apart from those of one shard each: they have stopped on
    /// one member, and do not run on the next one yet.
    pub most_moving: usize,
}

/// An instruction of a [`Coordinator`] to its member.
#[derive(Debug, Clone)]
pub enum Command {
    /// Changes the member's own key. The result goes to [`Coordinator::lease_answered`].
    Lease(LeaseRequest),
    /// Puts a mark in the place of a member's key, if there is no such key. The result goes to [`Coordinator::buried`].
    Bury(MemberId),
    /// Writes the record of a shard if it has the revision. The result goes to [`Coordinator::written`].
    Write(ShardId, ShardRecord, Revision),
    /// Starts the accounts of a shard, which hand over events only while the fence is open. Their start goes to
    /// [`Coordinator::started`].
    Start(ShardId, Fence),
    /// Stops the accounts of a shard. Their end goes to [`Coordinator::stopped`].
    Stop(ShardId),
}

/// The numbers of shards, as a member sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShardCounts {
    /// Shards whose accounts run on this member.
    pub running: usize,
    /// Shards that this member is giving away.
    pub moving: usize,
    /// Shards that no live member owns.
    pub unowned: usize,
    /// Shards that belong to this member and do not run on it yet.
    pub awaited: usize,
}

/// The decisions of one member: it takes what the member has seen and done, and returns what to do next.
#[derive(Debug)]
pub struct Coordinator {
    settings: ClusterSettings,
    timing: LeaseTiming,
    lease: Lease,
    members: MemberView,
    shards: Vec<Ownership>,
    /// The member that each shard belongs to; `None` if there is no candidate.
    targets: Vec<Option<MemberId>>,
    /// The members for which the targets were chosen.
    candidates: Vec<MemberId>,
    /// True if a shard has another home since then.
    has_new_homes: bool,
    /// The homes that shards are to have, until they do.
    planned_homes: BTreeMap<ShardId, Option<MemberName>>,
    burials: BTreeMap<MemberId, Burial>,
    is_loaded: bool,
}

/// An attempt to prove that a member has ended.
#[derive(Debug)]
struct Burial {
    is_asking: bool,
    retry_at: ClusterTime,
}

impl Coordinator {
    /// Returns the decisions of a member that has not joined yet.
    pub fn new(settings: ClusterSettings, id: MemberId, record: MemberRecord) -> Self {
        let timing = LeaseTiming::new(settings.lease_ttl);
        let shards: Vec<_> = ShardId::first(settings.shards).map(Ownership::new).collect();
        Self {
            settings: ClusterSettings { shards: settings.shards.min(SHARDS), ..settings },
            timing,
            lease: Lease::new(timing, id, record),
            members: MemberView::default(),
            targets: vec![None; shards.len()],
            candidates: Vec::new(),
            has_new_homes: false,
            planned_homes: BTreeMap::new(),
            shards,
            burials: BTreeMap::new(),
            is_loaded: false,
        }
    }

    /// Sets the number of accounts in each shard, which weighs when they move.
    pub fn set_accounts(&mut self, accounts: &BTreeMap<ShardId, usize>) {
        for shard in &mut self.shards {
            shard.accounts = accounts.get(&shard.id).copied().unwrap_or_default();
        }
    }

    /// Returns the times of the lease.
    pub fn timing(&self) -> LeaseTiming {
        self.timing
    }

    /// Returns the identity under which the member is, or tries to be, in the cluster.
    pub fn id(&self) -> &MemberId {
        self.lease.id()
    }

    /// Returns the fence of the lease that is held.
    pub fn fence(&self) -> Option<&Fence> {
        self.lease.fence()
    }

    /// Returns the live members with their records.
    pub fn members(&self) -> impl Iterator<Item = (&MemberId, &MemberRecord)> {
        self.members.live()
    }

    /// Returns the owner of a shard, if it is live.
    pub fn owner(&self, shard: ShardId) -> Option<&MemberId> {
        let shard = self.shards.get(usize::from(shard.number()))?;
        shard.record.owner.as_ref().filter(|owner| self.is_live(owner))
    }

    /// Returns the live owner of each shard, and the numbers of shards.
    pub fn overview(&self) -> (Vec<Option<&MemberId>>, ShardCounts) {
        let mut counts = ShardCounts::default();
        let me = self.lease.id();
        let shards = self.shards.iter().zip(&self.targets);
        let owners = shards.map(|(shard, target)| {
            let owner = self.owner(shard.id);
            let is_running = shard.activity == Activity::Running;
            counts.running += usize::from(is_running);
            counts.awaited += usize::from(!is_running && target.as_ref() == Some(me));
            counts.moving += usize::from(shard.is_moved_by(me));
            counts.unowned += usize::from(owner.is_none());
            owner
        });
        (owners.collect(), counts)
    }

    /// Returns the shards that this member is giving away, and whose accounts do not run elsewhere yet.
    pub fn moving(&self) -> impl Iterator<Item = ShardId> {
        let me = self.lease.id();
        self.shards.iter().filter(|shard| shard.is_moved_by(me)).map(|shard| shard.id)
    }

    /// Gives the member's shards away, or takes shards again.
    pub fn set_draining(&mut self, draining: bool) {
        self.lease.set_draining(draining);
    }

    /// Ends the lease for good, after the accounts have stopped, and returns the request that tells the others.
    pub fn leave(&mut self) -> Option<LeaseRequest> {
        self.lease.leave()
    }

    /// Takes a change that was seen in the store.
    pub fn changed(&mut self, change: ClusterChange, now: ClusterTime) {
        match change {
            ClusterChange::MemberRenewed(id, record, revision) => {
                if id == *self.lease.id() {
                    self.lease.renewal_seen(revision);
                }
                self.members.renewed(id, record, now);
            }
            ClusterChange::MemberGone(id) => self.member_gone(id, now),
            ClusterChange::ShardChanged(id, record, revision) => {
                self.with_shard(id, |shard| shard.seen(record, revision));
            }
            ClusterChange::Loaded => self.is_loaded = true,
        }
    }

    /// Takes the result of a [`Command::Lease`] that was sent at a time.
    pub fn lease_answered(
        &mut self,
        id: &MemberId,
        sent_at: ClusterTime,
        result: Result<Revision, WriteError>,
        now: ClusterTime,
    ) {
        self.lease.answered(id, sent_at, result, now);
    }

    /// Takes the result of a [`Command::Bury`]: success proves that the member has ended.
    pub fn buried(&mut self, id: &MemberId, result: &Result<Revision, WriteError>, now: ClusterTime) {
        if result.is_ok() {
            self.member_gone(id.clone(), now);
        } else if let Some(burial) = self.burials.get_mut(id) {
            *burial = Burial { is_asking: false, retry_at: now + self.timing.retry_after };
        }
    }

    /// Takes the result of a [`Command::Write`].
    pub fn written(&mut self, id: ShardId, result: Result<Revision, WriteError>, now: ClusterTime) {
        let retry_at = now + self.timing.retry_after;
        self.with_shard(id, |shard| shard.written(result, retry_at));
    }

    /// Takes the start of the accounts of a shard: they run, or are known not to for a while.
    pub fn started(&mut self, id: ShardId) {
        self.with_shard(id, Ownership::started);
    }

    /// Takes the end of the accounts of a shard, which hand over nothing any more.
    pub fn stopped(&mut self, id: ShardId) {
        self.with_shard(id, |shard| shard.activity = Activity::Idle);
    }

    /// Returns what to do now. It is to be asked after every change, and at [`Coordinator::wake_at`].
    pub fn poll(&mut self, now: ClusterTime) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.is_loaded {
            commands.extend(self.lease.poll(now).map(Command::Lease));
        }
        // Its key expires by then; a mark of that may have been missed.
        self.members.remove_silent(now, self.longest_silence());
        self.choose_targets();
        self.forget_reached_homes();
        let me = self.lease.fence().cloned().map(|fence| (self.lease.id().clone(), fence));
        let Some((me, fence)) = me else {
            self.planned_homes.clear();
            self.shards.iter_mut().filter_map(Ownership::abandon).for_each(|stop| commands.push(stop));
            return commands;
        };
        let mut limit = self.moving_limit();
        let mut writes = self.shards.iter().filter(|shard| shard.is_writing()).count();
        let mut unproven = BTreeSet::new();
        for (shard, target) in self.shards.iter_mut().zip(&self.targets) {
            let is_mine = shard.record.owner.as_ref() == Some(&me);
            let home = self.planned_homes.get(&shard.id).and_then(|home| shard.set_home(home.as_ref(), now));
            let command = if home.is_some() {
                home
            } else if is_mine {
                shard.keep_or_give(&me, target.as_ref(), &fence, &mut limit, now)
            } else if target.as_ref() == Some(&me) {
                let owner = shard.record.owner.as_ref();
                let is_free = owner.is_none_or(|owner| self.members.has_ended(owner) || owner.is_before(&me));
                unproven.extend(owner.filter(|owner| !is_free && !self.members.is_live(owner)).cloned());
                shard.take(&me, is_free, now)
            } else {
                shard.abandon()
            };
            let is_write = matches!(command, Some(Command::Write(..)));
            if is_write && writes >= MAX_WRITES {
                shard.defer_write();
                continue;
            }
            writes += usize::from(is_write);
            commands.extend(command);
        }
        commands.extend(self.bury(unproven, now));
        commands
    }

    /// Returns the next time at which [`Coordinator::poll`] may have something to do without a change.
    pub fn wake_at(&self, now: ClusterTime) -> ClusterTime {
        let retry = now + self.timing.retry_after;
        let next = self.members.next_silent(self.longest_silence()).map_or(retry, |silent| silent.min(retry));
        if self.is_loaded { self.lease.wake_at().min(next) } else { next }
    }

    /// Returns the time without a renewal after which the key of a member has expired for certain.
    fn longest_silence(&self) -> Duration {
        self.timing.ttl + self.timing.retry_after
    }

    fn with_shard(&mut self, id: ShardId, change: impl FnOnce(&mut Ownership)) {
        let Some(shard) = self.shards.get_mut(usize::from(id.number())) else { return };
        let home = shard.record.home.clone();
        change(shard);
        self.has_new_homes |= shard.record.home != home;
    }

    fn member_gone(&mut self, id: MemberId, now: ClusterTime) {
        self.lease.key_gone(&id, now);
        self.burials.remove(&id);
        self.members.gone(id);
        if self.members.gone_count() > MAX_GONE {
            let named = self.shards.iter().filter_map(|shard| shard.record.owner.as_ref()).collect();
            self.members.retain_gone(&named);
        }
    }

    /// Chooses the member for each shard again if the candidates, which are the live members that are not draining, or the homes
    /// of shards have changed.
    fn choose_targets(&mut self) {
        let me = self.lease.id();
        let others = self.members.live().filter(|(id, record)| !record.draining && !self.is_own(id));
        let is_candidate = self.lease.fence().is_some() && !self.lease.is_draining();
        let mut candidates: Vec<_> = others.map(|(id, _)| id).collect();
        candidates.extend(is_candidate.then_some(me));
        keep_latest(&mut candidates);
        if !candidates.iter().copied().eq(&self.candidates) {
            // They were planned for others.
            self.planned_homes.clear();
            self.candidates = candidates.into_iter().cloned().collect();
        } else if !self.has_new_homes {
            return;
        }
        self.has_new_homes = false;
        for (shard, target) in self.shards.iter().zip(&mut self.targets) {
            let home = shard.record.home.as_ref();
            *target = placement::choose_with_home(shard.id, home, &self.candidates).cloned();
        }
    }

    /// Returns true for members whose lease has not ended, as far as this one knows.
    fn is_live(&self, id: &MemberId) -> bool {
        (id == self.lease.id() && self.lease.fence().is_some()) || self.members.is_live(id)
    }

    /// Returns true for the incarnations of this process.
    fn is_own(&self, id: &MemberId) -> bool {
        id == self.lease.id() || id.is_before(self.lease.id())
    }

    /// Returns the number of accounts that may begin to move now. The members that have shards to give share the limit, until
    /// the accounts of the last one of them run elsewhere.
    fn moving_limit(&self) -> MovingLimit {
        let me = self.lease.id();
        let (mut givers, mut own, mut of_others) = (BTreeSet::from([me]), 0, 0);
        for (shard, target) in self.shards.iter().zip(&self.targets) {
            let owner = shard.record.owner.as_ref();
            let is_misplaced = |owner: &&MemberId| target.as_ref().is_some_and(|target| target != *owner);
            givers.extend(owner.filter(is_misplaced).filter(|owner| self.is_live(owner)));
            if shard.is_moved_by(me) {
                own += shard.weight();
            } else if let Some(giver) = &shard.record.given_by {
                givers.insert(giver);
                of_others += shard.weight();
            }
        }
        let most = self.settings.most_moving;
        MovingLimit::new((most / givers.len()).min(most.saturating_sub(of_others)), own)
    }

    /// Asks for the proof that owners have ended which are neither live nor gone.
    fn bury(&mut self, unproven: BTreeSet<MemberId>, now: ClusterTime) -> Vec<Command> {
        self.burials.retain(|id, burial| burial.is_asking || unproven.contains(id));
        let mut commands = Vec::new();
        for id in unproven {
            let burial = self.burials.entry(id.clone()).or_insert(Burial { is_asking: false, retry_at: now });
            if !burial.is_asking && burial.retry_at <= now {
                burial.is_asking = true;
                commands.push(Command::Bury(id));
            }
        }
        commands
    }
}

/// Keeps the latest process of each member: one that has been restarted within its lease is one member.
fn keep_latest(candidates: &mut Vec<&MemberId>) {
    candidates.sort_unstable_by(|a, b| b.cmp(a));
    candidates.dedup_by(|a, b| a.name() == b.name());
    candidates.reverse();
}

#[cfg(test)]
mod tests;
