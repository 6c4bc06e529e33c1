//! Watching the buckets of a cluster.

use std::time::Duration;

use async_nats::jetstream::kv::{Entry, Operation, Store, Watch};
use futures_util::StreamExt as _;
use matterhost_actors::model::Excerpt;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::BURIED;
use crate::cluster::{ClusterChange, MemberId, Revision, ShardId, ShardRecord};

/// Delay before a watch that failed is begun again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Wait for the first entry, after which a bucket is asked whether it is empty: an empty bucket sends nothing.
const FIRST_ENTRY: Duration = Duration::from_millis(200);

/// Sends the changes of both buckets, until the receiver is dropped.
pub(super) async fn run(members: Store, shards: Store, changes: mpsc::Sender<ClusterChange>) {
    while !changes.is_closed() {
        let error = match run_once(&members, &shards, &changes).await {
            Ok(()) => return,
            Err(error) => error,
        };
        tracing::warn!(error = %Excerpt::of(&error), "cannot watch the cluster's buckets in NATS; trying again");
        sleep(RETRY_AFTER).await;
    }
}

/// Returns without an error once the receiver is dropped.
async fn run_once(
    members: &Store,
    shards: &Store,
    changes: &mpsc::Sender<ClusterChange>,
) -> Result<(), async_nats::Error> {
    let mut of_members = Watched::begin(members).await?;
    let mut of_shards = Watched::begin(shards).await?;
    let mut is_loaded = false;
    loop {
        if of_members.is_loaded && of_shards.is_loaded && !is_loaded {
            is_loaded = true;
            if changes.send(ClusterChange::Loaded).await.is_err() {
                return Ok(());
            }
        }
        let change = tokio::select! {
            () = changes.closed() => return Ok(()),
            entry = of_members.next() => entry?.and_then(|entry| member_change(&entry)),
            entry = of_shards.next() => entry?.and_then(|entry| shard_change(&entry)),
        };
        if let Some(change) = change
            && changes.send(change).await.is_err()
        {
            return Ok(());
        }
    }
}

/// The changes of one bucket.
struct Watched {
    bucket: Store,
    entries: Watch,
    is_loaded: bool,
}

impl Watched {
    async fn begin(bucket: &Store) -> Result<Self, async_nats::Error> {
        let entries = bucket.watch_with_history(">").await?;
        Ok(Self { bucket: bucket.clone(), entries, is_loaded: false })
    }

    /// Returns the next entry; `None` if the bucket was found to be empty. It can be dropped and called again.
    async fn next(&mut self) -> Result<Option<Entry>, async_nats::Error> {
        loop {
            let entry = if self.is_loaded {
                self.entries.next().await
            } else if let Ok(entry) = timeout(FIRST_ENTRY, self.entries.next()).await {
                entry
            } else if self.bucket.status().await?.values() == 0 {
                self.is_loaded = true;
                return Ok(None);
            } else {
                continue;
            };
            let entry = entry.ok_or("the watch has ended")??;
            self.is_loaded |= entry.seen_current;
            return Ok(Some(entry));
        }
    }
}

fn member_change(entry: &Entry) -> Option<ClusterChange> {
    let id = MemberId::parse(&entry.key).or_else(|| unreadable(entry, "key"))?;
    match entry.operation {
        Operation::Delete | Operation::Purge => Some(ClusterChange::MemberGone(id)),
        Operation::Put if entry.value == BURIED => Some(ClusterChange::MemberGone(id)),
        Operation::Put => {
            let record = serde_json::from_slice(&entry.value).ok().or_else(|| unreadable(entry, "value"))?;
            Some(ClusterChange::MemberRenewed(id, record, Revision(entry.revision)))
        }
    }
}

fn shard_change(entry: &Entry) -> Option<ClusterChange> {
    let shard = entry.key.parse().ok().and_then(ShardId::new).or_else(|| unreadable(entry, "key"))?;
    let record = match entry.operation {
        // An operator has deleted it: the shard is free.
        Operation::Delete | Operation::Purge => ShardRecord::default(),
        Operation::Put => serde_json::from_slice(&entry.value).ok().or_else(|| unreadable(entry, "value"))?,
    };
    Some(ClusterChange::ShardChanged(shard, record, Revision(entry.revision)))
}

/// Logs an entry that no member of this version has written.
fn unreadable<T>(entry: &Entry, part: &str) -> Option<T> {
    let Entry { bucket, key, .. } = entry;
    tracing::error!(bucket, key = %Excerpt::of(key), "this key of a cluster's bucket has a {part} that cannot be read; delete the key with `nats kv del`");
    None
}
