//! Members of one process, which need no store outside.

use std::{
    collections::BTreeMap,
    future::ready,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::future::FutureExt as _;
use parking_lot::Mutex;
use tokio::{sync::mpsc, time::sleep};

use super::{
    ClusterChange, LeaseRequest, MemberId, MemberRecord, Membership, Revision, ShardId, ShardRecord,
    WriteError,
    membership_port::{WATCH_QUEUE, WriteFuture},
};

/// A store in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryMembership {
    ttl: Duration,
    store: Arc<Mutex<MemoryStore>>,
}

#[derive(Debug, Default)]
struct MemoryStore {
    /// The keys of members; without a record, the mark of one that was buried.
    members: BTreeMap<MemberId, (Option<MemberRecord>, Revision)>,
    shards: BTreeMap<ShardId, (ShardRecord, Revision)>,
    last: Revision,
    watchers: Vec<mpsc::Sender<ClusterChange>>,
}

impl MemoryMembership {
    /// Creates an empty store whose keys of members expire after a time.
    pub fn new(ttl: Duration) -> Self {
        Self { ttl, store: Arc::default() }
    }

    /// Writes the key of a member, and deletes it again after its lifetime unless it has changed by then.
    fn put(
        &self,
        id: MemberId,
        record: Option<MemberRecord>,
        expected: Option<Revision>,
    ) -> Result<Revision, WriteError> {
        let revision = self.store.lock().put(id.clone(), record, expected)?;
        let (store, ttl) = (Arc::downgrade(&self.store), self.ttl);
        tokio::spawn(async move {
            sleep(ttl).await;
            if let Some(store) = Weak::upgrade(&store) {
                // A conflict means that the key was renewed.
                let _ = store.lock().remove(&id, revision);
            }
        });
        Ok(revision)
    }
}

impl MemoryStore {
    fn next_revision(&mut self) -> Revision {
        self.last = Revision(self.last.0 + 1);
        self.last
    }

    /// Passes a change on. A watcher that lags too far behind is dropped, and finds its channel closed.
    fn publish(&mut self, change: &ClusterChange) {
        self.watchers.retain(|watcher| watcher.try_send(change.clone()).is_ok());
    }

    fn put(
        &mut self,
        id: MemberId,
        record: Option<MemberRecord>,
        expected: Option<Revision>,
    ) -> Result<Revision, WriteError> {
        if self.members.get(&id).map(|(_, revision)| *revision) != expected {
            return Err(WriteError::Conflict);
        }
        let revision = self.next_revision();
        self.members.insert(id.clone(), (record.clone(), revision));
        self.publish(&member_change(id, record, revision));
        Ok(revision)
    }

    /// Deletes the key of a member. The mark of one that was buried stays.
    fn leave(&mut self, id: &MemberId) -> Revision {
        if let Some((Some(_), revision)) = self.members.get(id) {
            // It is the revision that it has.
            let _ = self.remove(id, *revision);
        }
        Revision::default()
    }

    fn remove(&mut self, id: &MemberId, expected: Revision) -> Result<Revision, WriteError> {
        if self.members.get(id).is_none_or(|(_, revision)| *revision != expected) {
            return Err(WriteError::Conflict);
        }
        self.members.remove(id);
        self.publish(&ClusterChange::MemberGone(id.clone()));
        Ok(self.next_revision())
    }

    fn write(
        &mut self,
        shard: ShardId,
        record: ShardRecord,
        expected: Revision,
    ) -> Result<Revision, WriteError> {
        let current = self.shards.get(&shard).map(|(_, revision)| *revision).unwrap_or_default();
        if current != expected {
            return Err(WriteError::Conflict);
        }
        let revision = self.next_revision();
        self.shards.insert(shard, (record.clone(), revision));
        self.publish(&ClusterChange::ShardChanged(shard, record, revision));
        Ok(revision)
    }

    fn snapshot(&self) -> Vec<ClusterChange> {
        let members = self.members.iter();
        let members =
            members.map(|(id, (record, revision))| member_change(id.clone(), record.clone(), *revision));
        let shards = self.shards.iter();
        let shards = shards
            .map(|(id, (record, revision))| ClusterChange::ShardChanged(*id, record.clone(), *revision));
        members.chain(shards).chain([ClusterChange::Loaded]).collect()
    }
}

fn member_change(id: MemberId, record: Option<MemberRecord>, revision: Revision) -> ClusterChange {
    match record {
        Some(record) => ClusterChange::MemberRenewed(id, record, revision),
        None => ClusterChange::MemberGone(id),
    }
}

impl Membership for MemoryMembership {
    fn change_lease(&self, request: LeaseRequest) -> WriteFuture {
        let result = match request {
            LeaseRequest::Join(id, record) => self.put(id, Some(record), None),
            LeaseRequest::Renew(id, record, expected) => self.put(id, Some(record), Some(expected)),
            LeaseRequest::Leave(id) => Ok(self.store.lock().leave(&id)),
        };
        ready(result).boxed()
    }

    fn bury(&self, id: MemberId) -> WriteFuture {
        ready(self.put(id, None, None)).boxed()
    }

    fn write(&self, shard: ShardId, record: ShardRecord, expected: Revision) -> WriteFuture {
        ready(self.store.lock().write(shard, record, expected)).boxed()
    }

    fn watch(&self) -> mpsc::Receiver<ClusterChange> {
        let mut store = self.store.lock();
        let snapshot = store.snapshot();
        let (sender, receiver) = mpsc::channel(snapshot.len() + WATCH_QUEUE);
        for change in snapshot {
            // The queue has room for all of it.
            let _ = sender.try_send(change);
        }
        store.watchers.push(sender);
        receiver
    }
}
