//! The fences of the shards that run on this member.

use std::{collections::BTreeMap, sync::Arc};

use matterhost_actors::{model::AccountName, ports::AccountFence};
use parking_lot::RwLock;

use super::{ClusterTime, Fence, ShardId, shard_of};

/// The fences of the shards that run on this member, which each part of the host asks before it acts for an account. Clones share them, on any thread.
#[derive(Debug, Clone, Default)]
pub struct ShardFences(Arc<RwLock<BTreeMap<ShardId, Fence>>>);

impl ShardFences {
    /// Lets the accounts of a shard act while its fence is open.
    pub fn set(&self, shard: ShardId, fence: Fence) {
        self.0.write().insert(shard, fence);
    }

    /// Lets the accounts of a shard act no more.
    pub fn remove(&self, shard: ShardId) {
        self.0.write().remove(&shard);
    }
}

impl AccountFence for ShardFences {
    fn is_open(&self, account: &AccountName) -> bool {
        let shard = shard_of(account);
        self.0.read().get(&shard).is_some_and(|fence| fence.is_open(ClusterTime::now()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_account_acts_only_while_the_fence_of_its_shard_is_open() {
        let (fences, account) = (ShardFences::default(), AccountName::new("a").unwrap());
        assert!(!fences.is_open(&account), "its shard does not run here");
        fences.set(shard_of(&account), Fence::open_until(ClusterTime::now() + Duration::from_secs(60)));
        assert!(fences.is_open(&account) && !fences.is_open(&AccountName::new("b").unwrap()));
        fences.set(shard_of(&account), Fence::open_until(ClusterTime::now()));
        assert!(!fences.is_open(&account), "its time is over");
        fences.set(shard_of(&account), Fence::open_until(ClusterTime::now() + Duration::from_secs(60)));
        fences.remove(shard_of(&account));
        assert!(!fences.is_open(&account));
    }
}
