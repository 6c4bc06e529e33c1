//! The store of the model: keys with revisions, changed by compare-and-set, that may expire.

use std::collections::BTreeMap;

use super::{Millis, TTL};
use crate::cluster::{
    ClusterChange, LeaseRequest, MemberId, MemberRecord, Revision, ShardId, ShardRecord, WriteError,
};

/// A request to the store.
#[derive(Debug, Clone)]
pub(super) enum StoreRequest {
    Lease(LeaseRequest),
    Bury(MemberId),
    Write(ShardId, ShardRecord, Revision),
}

/// The answer to a request.
#[derive(Debug, Clone)]
pub(super) struct Answer(pub(super) Result<Revision, WriteError>);

impl Answer {
    pub(super) fn unavailable() -> Self {
        Self(Err(WriteError::Unavailable("no answer".into())))
    }
}

#[derive(Debug)]
struct MemberKey {
    /// `None` for the mark of a member that was buried.
    record: Option<MemberRecord>,
    revision: Revision,
    expires_at: Millis,
}

#[derive(Debug, Default)]
pub(super) struct Store {
    members: BTreeMap<MemberId, MemberKey>,
    shards: BTreeMap<ShardId, (ShardRecord, Revision)>,
    last: Revision,
    /// All changes, in order.
    pub(super) log: Vec<ClusterChange>,
    /// The time by which its clock is ahead.
    pub(super) ahead: Millis,
}

impl Store {
    pub(super) fn apply(&mut self, request: &StoreRequest, now: Millis) -> Answer {
        self.expire(now);
        Answer(match request {
            StoreRequest::Lease(LeaseRequest::Join(id, record)) => self.put(id, Some(record), None, now),
            StoreRequest::Lease(LeaseRequest::Renew(id, record, expected)) => {
                self.put(id, Some(record), Some(*expected), now)
            }
            StoreRequest::Lease(LeaseRequest::Leave(id)) => Ok(self.leave(id)),
            StoreRequest::Bury(id) => self.put(id, None, None, now),
            StoreRequest::Write(shard, record, expected) => self.write(*shard, record, *expected),
        })
    }

    fn next_revision(&mut self) -> Revision {
        self.last = Revision(self.last.0 + 1);
        self.last
    }

    fn put(
        &mut self,
        id: &MemberId,
        record: Option<&MemberRecord>,
        expected: Option<Revision>,
        now: Millis,
    ) -> Result<Revision, WriteError> {
        if self.members.get(id).map(|key| key.revision) != expected {
            return Err(WriteError::Conflict);
        }
        let revision = self.next_revision();
        self.log.push(match record {
            Some(record) => ClusterChange::MemberRenewed(id.clone(), record.clone(), revision),
            None => ClusterChange::MemberGone(id.clone()),
        });
        let expires_at = now + self.ahead + TTL;
        self.members.insert(id.clone(), MemberKey { record: record.cloned(), revision, expires_at });
        Ok(revision)
    }

    fn leave(&mut self, id: &MemberId) -> Revision {
        if self.members.get(id).is_some_and(|key| key.record.is_some()) {
            self.members.remove(id);
            self.log.push(ClusterChange::MemberGone(id.clone()));
        }
        Revision::default()
    }

    fn write(
        &mut self,
        shard: ShardId,
        record: &ShardRecord,
        expected: Revision,
    ) -> Result<Revision, WriteError> {
        if self.shards.get(&shard).map_or(Revision::default(), |(_, revision)| *revision) != expected {
            return Err(WriteError::Conflict);
        }
        let revision = self.next_revision();
        self.shards.insert(shard, (record.clone(), revision));
        self.log.push(ClusterChange::ShardChanged(shard, record.clone(), revision));
        Ok(revision)
    }

    /// Removes the keys that have expired.
    pub(super) fn expire(&mut self, now: Millis) {
        let now = now + self.ahead;
        let ended: Vec<_> =
            self.members.iter().filter(|(_, key)| key.expires_at <= now).map(|(id, _)| id.clone()).collect();
        for id in ended {
            self.members.remove(&id);
            self.log.push(ClusterChange::MemberGone(id));
        }
    }

    /// Returns the time until the next key expires.
    pub(super) fn next_expiry(&self, now: Millis) -> Option<Millis> {
        let next = self.members.values().map(|key| key.expires_at).min()?;
        Some(next.saturating_sub(now + self.ahead).max(1))
    }

    /// Returns what is in the store.
    pub(super) fn snapshot(&self) -> Vec<ClusterChange> {
        let members = self.members.iter().map(|(id, key)| match &key.record {
            Some(record) => ClusterChange::MemberRenewed(id.clone(), record.clone(), key.revision),
            None => ClusterChange::MemberGone(id.clone()),
        });
        let shards = self.shards.iter();
        let shards = shards
            .map(|(id, (record, revision))| ClusterChange::ShardChanged(*id, record.clone(), *revision));
        // The two kinds come by streams of their own: either may be first.
        if self.last.0.is_multiple_of(2) {
            members.chain(shards).collect()
        } else {
            shards.chain(members).collect()
        }
    }
}
