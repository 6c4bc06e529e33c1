//! The even sharing of the accounts, which an operator asks for.

use super::Coordinator;
use crate::cluster::{
    MemberId,
    balance::{PlacedShard, balance},
    placement,
};

/// The moves that a member has planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlannedMoves {
    /// The shards that are to move.
    pub shards: usize,
    /// The accounts in them.
    pub accounts: usize,
}

impl Coordinator {
    /// Plans homes for shards, by which each member that is not draining gets its share of the accounts, and begins to write
    /// them. The owners then move the shards, as after a member has joined. Returns `None` without a lease.
    pub fn rebalance(&mut self) -> Option<PlannedMoves> {
        self.lease.fence()?;
        self.choose_targets();
        let member_of =
            |target: &Option<MemberId>| self.candidates.iter().position(|id| Some(id) == target.as_ref());
        let placed = self.shards.iter().zip(&self.targets).filter_map(|(shard, target)| {
            Some(PlacedShard { id: shard.id, accounts: shard.accounts, member: member_of(target)? })
        });
        let moved = balance(placed.collect(), self.candidates.len());
        self.planned_homes = moved
            .iter()
            .filter_map(|(shard, to)| {
                let to = self.candidates.get(*to)?;
                let is_chosen = placement::choose(*shard, &self.candidates) == Some(to);
                Some((*shard, (!is_chosen).then(|| to.name().clone())))
            })
            .collect();
        let accounts = self.shards.iter().filter(|shard| moved.contains_key(&shard.id));
        Some(PlannedMoves { shards: moved.len(), accounts: accounts.map(|shard| shard.accounts).sum() })
    }

    /// Forgets the planned homes that shards have by now.
    pub(super) fn forget_reached_homes(&mut self) {
        let shards = &self.shards;
        self.planned_homes.retain(|id, home| {
            shards.get(usize::from(id.number())).is_some_and(|shard| shard.record.home != *home)
        });
    }
}
