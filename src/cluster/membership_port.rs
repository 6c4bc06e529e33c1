//! The port to the store in which the members of a cluster meet.

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::{ClusterChange, LeaseRequest, MemberId, Revision, ShardId, ShardRecord, WriteError};

/// The result of a write, in bounded time.
pub type WriteFuture = BoxFuture<'static, Result<Revision, WriteError>>;

/// Changes that a watcher may lag behind; then the store waits. A member is notified of a thousand shards when it joins.
pub const WATCH_QUEUE: usize = 2_048;

/// A store in which the members of a cluster meet: their keys, which expire unless they are renewed, and the records of the
/// shards.
///
/// Each write is atomic. All but [`LeaseRequest::Leave`], which may be repeated, compare the revision first: of two writes with
/// the same expected revision, one fails with [`WriteError::Conflict`]. A write that is answered is seen by all later writes of any member. The calling thread is
/// never blocked.
pub trait Membership: Send + Sync + 'static {
    /// Creates, renews or deletes the key of a member.
    fn change_lease(&self, request: LeaseRequest) -> WriteFuture;

    /// Puts a mark in the place of a member's key, if there is no such key: the identity can never be used again.
    fn bury(&self, id: MemberId) -> WriteFuture;

    /// Writes the record of a shard, if it has a revision.
    fn write(&self, shard: ShardId, record: ShardRecord, expected: Revision) -> WriteFuture;

    /// Returns everything that is in the store, then [`ClusterChange::Loaded`], then each change. After a loss of the
    /// connection it may begin anew. Changes of one key come in their order; the end of a key may be missed.
    fn watch(&self) -> mpsc::Receiver<ClusterChange>;
}
