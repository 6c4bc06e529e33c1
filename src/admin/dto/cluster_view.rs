//! The cluster, as one of its members sees it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The cluster, as the member that answers sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Cluster {
    /// The name of the member that answers.
    pub member: String,
    /// True while it holds a lease. Without one it hosts no account.
    pub joined: bool,
    /// The members with a lease, by name.
    pub members: Vec<ClusterMember>,
    /// The shards that the member that answers is giving away.
    pub moving_shards: usize,
    /// The shards that no member owns.
    pub unowned_shards: usize,
    /// The accounts of the configuration, by name, each with the member that hosts it.
    pub accounts: Vec<ClusterAccount>,
    /// The queue of actions; null if the members take none by NATS.
    pub actions: Option<ClusterActions>,
}

/// A member of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterMember {
    /// Its name.
    pub name: String,
    /// True while it gives its accounts away.
    pub draining: bool,
    /// The shards that it owns.
    pub shards: usize,
    /// The accounts in them.
    pub accounts: usize,
}

/// An account of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterAccount {
    /// Its name.
    pub name: String,
    /// The member that hosts it; null if none does.
    pub member: Option<String>,
}

/// The queue of actions of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ClusterActions {
    /// The actions in it, those that members are at work on included, within the last ten seconds; null while the queue cannot be asked.
    pub queued: Option<u64>,
    /// The age of the oldest of them; zero if there is none.
    pub oldest_seconds: Option<u64>,
    /// The actions that the member that answers is at work on.
    pub at_work: usize,
}

/// The moves after which each member has its share of the accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedMoves {
    /// The accounts that are to move.
    pub accounts: usize,
    /// The shards that they are in.
    pub shards: usize,
}

/// Giving the accounts of a member away, or taking accounts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// True to give all accounts away.
    pub draining: bool,
}
