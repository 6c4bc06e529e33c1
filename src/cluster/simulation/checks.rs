//! The checks of a simulation.

use super::{LONGEST_UNOWNED, Model, sim_member::SimMember};
use crate::cluster::{Command, ShardId};

impl Model {
    /// Panics if another member can hand over events of a shard that a member can hand over.
    pub(super) fn check_fences(&self, at: usize) {
        let can_hand_over = |member: &SimMember, shard| member.is_open(shard, self.now);
        for shard in
            ShardId::first(self.settings.shards).filter(|shard| can_hand_over(&self.members[at], *shard))
        {
            for (other, member) in self.members.iter().enumerate().filter(|(other, _)| *other != at) {
                let both = can_hand_over(member, shard);
                assert!(!both, "at {} ms, members {at} and {other} both hand over shard {shard}", self.now);
            }
        }
    }

    /// Panics if a shard is without an owner for too long, or too many accounts move.
    pub(super) fn check(&mut self) {
        for shard in ShardId::first(self.settings.shards) {
            let is_owned = self.members.iter().any(|member| member.is_open(shard, self.now));
            let unowned_since = &mut self.unowned_since[usize::from(shard.number())];
            if is_owned {
                *unowned_since = None;
                continue;
            }
            let since = self.last_harm.max(*unowned_since.get_or_insert(self.now));
            let is_well = |member: &SimMember| member.well_since.is_some_and(|well| well <= since);
            if self.members.iter().any(is_well) {
                let unowned = self.now.saturating_sub(since);
                assert!(
                    unowned <= LONGEST_UNOWNED,
                    "at {} ms, shard {shard} is unowned for {unowned} ms, since {unowned_since:?}; last harm at {} ms",
                    self.now,
                    self.last_harm
                );
            }
        }
        let now = self.now;
        for member in &mut self.members {
            member.update_wellness(now);
            let moving = member.moving_weight();
            assert!(moving <= self.settings.most_moving, "at {now} ms, {moving} accounts move");
        }
    }

    /// Panics unless each shard runs on the member that it belongs to, and nothing moves.
    pub(super) fn check_settled(&mut self) {
        let alive = self.members.iter().filter(|member| member.is_alive);
        let mut owned: Vec<_> = alive.flat_map(SimMember::owned).collect();
        owned.sort();
        assert_eq!(owned, ShardId::first(self.settings.shards).collect::<Vec<_>>(), "each shard runs once");
        for member in self.members.iter_mut().filter(|member| member.is_alive) {
            assert_eq!(member.moving_weight(), 0, "nothing moves");
            let now = member.clock(self.now);
            let commands = member.coordinator.poll(now);
            let changes = commands.iter().filter(|command| !matches!(command, Command::Lease(_))).count();
            assert_eq!(changes, 0, "{commands:?}");
        }
    }
}
