//! One shard, as one member sees it.

use super::Command;
use crate::cluster::{ClusterTime, Fence, MemberId, MemberName, Revision, ShardId, ShardRecord, WriteError};

/// The state of a shard's accounts on this member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    /// They do not run here.
    Idle,
    /// They run.
    Running,
    /// They were told to stop.
    Stopping,
}

/// The number of accounts that may begin to move.
#[derive(Debug, Clone, Copy)]
pub(super) struct MovingLimit {
    left: usize,
    is_unused: bool,
}

/// A shard: its record, and what this member does with it.
#[derive(Debug)]
pub(super) struct Ownership {
    pub(super) id: ShardId,
    pub(super) record: ShardRecord,
    revision: Revision,
    pub(super) activity: Activity,
    /// True once its accounts run, or are known not to for a while, since they were last told to start.
    is_started: bool,
    /// True while this member stops its accounts and gives the shard away, until another one has taken it.
    is_moving: bool,
    /// The number of its accounts.
    pub(super) accounts: usize,
    /// The record that is being written.
    writing: Option<ShardRecord>,
    /// True if a write whose answer was lost may still free this revision of the shard.
    may_be_freed: bool,
    retry_at: ClusterTime,
}

impl MovingLimit {
    pub(super) fn new(limit: usize, moving: usize) -> Self {
        Self { left: limit.saturating_sub(moving), is_unused: moving == 0 }
    }

    /// Uses a part of the limit. Returns false if it is used up; one shard may always move, however many accounts it has.
    fn take(&mut self, weight: usize) -> bool {
        let may_move = weight <= self.left || self.is_unused;
        if may_move {
            *self = Self { left: self.left.saturating_sub(weight), is_unused: false };
        }
        may_move
    }
}

impl Ownership {
    pub(super) fn new(id: ShardId) -> Self {
        Self {
            id,
            record: ShardRecord::default(),
            revision: Revision::default(),
            activity: Activity::Idle,
            is_started: false,
            is_moving: false,
            accounts: 0,
            writing: None,
            may_be_freed: false,
            retry_at: ClusterTime::default(),
        }
    }

    /// Returns its weight when it moves. An empty shard costs a write, too.
    pub(super) fn weight(&self) -> usize {
        self.accounts.max(1)
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Returns true while the member gives the shard away: from the end of its accounts here until they run elsewhere.
    pub(super) fn is_moved_by(&self, member: &MemberId) -> bool {
        self.is_moving || self.record.given_by.as_ref() == Some(member)
    }

    /// Takes the start of its accounts.
    pub(super) fn started(&mut self) {
        self.is_started = true;
    }

    /// Takes a record that was seen in the store; an older one changes nothing.
    pub(super) fn seen(&mut self, record: ShardRecord, revision: Revision) {
        if revision > self.revision {
            // Another attempt may succeed at once.
            self.retry_at = ClusterTime::default();
            // From now on its record says who has given it away.
            self.is_moving &= record.owner.is_none() || record.owner == self.record.owner;
            self.may_be_freed = false;
            (self.record, self.revision) = (record, revision);
        }
    }

    /// Takes the result of the write that is under way.
    pub(super) fn written(&mut self, result: Result<Revision, WriteError>, retry_at: ClusterTime) {
        let written = self.writing.take();
        match (result, written) {
            (Ok(revision), Some(record)) => self.seen(record, revision),
            (Err(WriteError::Unavailable(_)), Some(record)) => {
                self.may_be_freed |= record.owner.is_none();
                self.retry_at = retry_at;
            }
            // The other's record is on its way.
            (Err(WriteError::Conflict), _) | (_, None) => self.retry_at = retry_at,
        }
    }

    /// Decides on a shard that this member owns: to run it, or to give it to another.
    pub(super) fn keep_or_give(
        &mut self,
        me: &MemberId,
        target: Option<&MemberId>,
        fence: &Fence,
        limit: &mut MovingLimit,
        now: ClusterTime,
    ) -> Option<Command> {
        let is_idle_or_runs = self.activity != Activity::Stopping;
        let gives = is_idle_or_runs && target.is_some_and(|target| target != me) && self.begin_moving(limit);
        match self.activity {
            Activity::Stopping => None,
            Activity::Running if gives => {
                self.activity = Activity::Stopping;
                Some(Command::Stop(self.id))
            }
            Activity::Running => self.end_hand_over(now),
            Activity::Idle if gives => self.release(me, now),
            Activity::Idle if self.is_writing() => None,
            // A new revision first, so that the late write cannot free the shard while its accounts run.
            Activity::Idle if self.may_be_freed => self.claim(me, now),
            // They also start if they may not move yet.
            Activity::Idle => {
                (self.is_moving, self.is_started) = (false, false);
                self.activity = Activity::Running;
                Some(Command::Start(self.id, fence.clone()))
            }
        }
    }

    /// Tells the member that has given the shard away that its accounts run here.
    fn end_hand_over(&mut self, now: ClusterTime) -> Option<Command> {
        if !self.is_started || self.record.given_by.is_none() {
            return None;
        }
        self.write_record(ShardRecord { given_by: None, ..self.record.clone() }, now)
    }

    /// Takes a shard that belongs to this member, once it is free.
    pub(super) fn take(&mut self, me: &MemberId, is_free: bool, now: ClusterTime) -> Option<Command> {
        let stop = self.abandon();
        if stop.is_some() || self.activity != Activity::Idle || !is_free {
            return stop;
        }
        self.claim(me, now)
    }

    /// Stops the accounts of a shard that this member does not own any more.
    pub(super) fn abandon(&mut self) -> Option<Command> {
        // A shard that was given away counts as moving until another member has it.
        self.is_moving &= self.record.owner.is_none() && self.activity == Activity::Idle;
        if self.activity != Activity::Running {
            return None;
        }
        self.activity = Activity::Stopping;
        Some(Command::Stop(self.id))
    }

    /// Takes back a write that was not carried out.
    pub(super) fn defer_write(&mut self) {
        self.writing = None;
    }

    /// Marks the shard as moving if the limit allows it. Returns true if it is moving.
    fn begin_moving(&mut self, limit: &mut MovingLimit) -> bool {
        self.is_moving = self.is_moving || limit.take(self.weight());
        self.is_moving
    }

    /// Gives the shard another home, whichever member owns it: it then moves there.
    pub(super) fn set_home(&mut self, home: Option<&MemberName>, now: ClusterTime) -> Option<Command> {
        self.write_record(ShardRecord { home: home.cloned(), ..self.record.clone() }, now)
    }

    /// Makes this member the owner. Only the accounts of a shard that another one has given away are in motion.
    fn claim(&mut self, me: &MemberId, now: ClusterTime) -> Option<Command> {
        let ShardRecord { owner, epoch, home, given_by } = self.record.clone();
        let given_by = given_by.filter(|giver| owner.is_none() && giver != me);
        self.write_record(ShardRecord { owner: Some(me.clone()), epoch: epoch + 1, home, given_by }, now)
    }

    /// Frees the shard for another member.
    fn release(&mut self, me: &MemberId, now: ClusterTime) -> Option<Command> {
        let record = ShardRecord { owner: None, given_by: Some(me.clone()), ..self.record.clone() };
        self.write_record(record, now)
    }

    fn write_record(&mut self, record: ShardRecord, now: ClusterTime) -> Option<Command> {
        if self.is_writing() || now < self.retry_at {
            return None;
        }
        self.writing = Some(record.clone());
        Some(Command::Write(self.id, record, self.revision))
    }
}
