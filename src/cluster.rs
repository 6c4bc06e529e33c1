//! The cluster: members share the accounts, and one takes over what another loses.
//!
//! Accounts fall into shards. A record per shard names the member that owns it; it is only changed by compare-and-set on
//! its revision. Each member keeps one key alive, its lease. A member that cannot renew its lease closes its own fence
//! before the key expires, so that no two members ever hand over events of one account.
//!
//! Decisions are plain structs, which are given the current time: [`Coordinator`] joins them.

mod action_lanes;
mod action_outcome;
mod action_queue;
mod action_tries;
mod balance;
mod cluster_time;
mod coordinator;
mod cursor_merge;
mod lease;
mod lease_fence;
mod member;
mod member_loop;
mod member_messages;
mod member_view;
mod membership_port;
mod memory_actions;
mod memory_membership;
mod memory_messages;
#[cfg(feature = "cluster")]
mod nats;
mod placement;
mod records;
mod shard;
mod shard_fences;
#[cfg(test)]
mod simulation;

pub use action_lanes::{ActionLanes, MOST_AT_WORK, StepEnd, StepOrder, UNKNOWN_FOR};
pub use action_outcome::{ActionOutcome, FinishedActions};
pub use action_queue::{
    ActionQueue, MOST_WAITING_OF_ACCOUNT, QueueError, QueueNotice, QueueState, QueuedAction,
};
pub use action_tries::Tries;
pub use cluster_time::ClusterTime;
pub use coordinator::{ClusterSettings, Command, Coordinator, PlannedMoves, ShardCounts};
pub use cursor_merge::{merge_accounts, merge_channels};
pub use lease::{LeaseRequest, LeaseTiming};
pub use lease_fence::Fence;
pub use member::{MemberId, MemberName, MemberNameError};
pub use member_loop::{ClusterStatus, MemberCounts, MemberLoop, MemberRequest, ShardRunner};
pub use member_messages::{
    ANSWER_LIMIT, AskError, MAX_ANSWER_BYTES, MOST_ANNOUNCEMENTS, MOST_OPEN, MemberMessages, Question,
    Questions, Topic,
};
pub use membership_port::{Membership, WATCH_QUEUE, WriteFuture};
pub use memory_actions::MemoryActions;
pub use memory_membership::MemoryMembership;
pub use memory_messages::MemoryMessages;
#[cfg(feature = "cluster")]
pub use nats::{NatsActions, NatsCluster, NatsCursors, NatsMembership, NatsMessages, NatsSettings};
pub use records::{ClusterChange, MemberRecord, Revision, ShardRecord, WriteError};
pub use shard::{SHARDS, ShardId, shard_of};
pub use shard_fences::ShardFences;
