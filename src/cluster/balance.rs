//! The plan by which members share the accounts evenly.

use std::collections::BTreeMap;

use super::ShardId;

/// A shard with its number of accounts and its member, which is an index.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlacedShard {
    pub(super) id: ShardId,
    pub(super) accounts: usize,
    pub(super) member: usize,
}

/// Returns the shards that are to move, each with its new member. Afterwards no move of a shard makes the largest and the
/// smallest number of accounts on a member more alike.
pub(super) fn balance(mut shards: Vec<PlacedShard>, members: usize) -> BTreeMap<ShardId, usize> {
    let mut loads = vec![0_usize; members];
    shards.retain(|shard| shard.accounts > 0 && shard.member < members);
    for shard in &shards {
        loads[shard.member] += shard.accounts;
    }
    let mut moved = BTreeMap::new();
    while let Some((shard, to)) = best_move(&mut shards, &loads) {
        loads[shard.member] -= shard.accounts;
        loads[to] += shard.accounts;
        shard.member = to;
        moved.insert(shard.id, to);
    }
    moved
}

/// Returns the shard of the fullest member that makes it and the emptiest one most alike, and the latter; `None` if none does.
fn best_move<'a>(shards: &'a mut [PlacedShard], loads: &[usize]) -> Option<(&'a mut PlacedShard, usize)> {
    let (from, most) = loads.iter().enumerate().max_by_key(|(_, load)| **load)?;
    let (to, least) = loads.iter().enumerate().min_by_key(|(_, load)| **load)?;
    let difference = most - least;
    let candidates = shards.iter_mut().filter(|shard| shard.member == from && shard.accounts < difference);
    let best =
        candidates.min_by_key(|shard| (difference.abs_diff(2 * shard.accounts), shard.accounts, shard.id))?;
    Some((best, to))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn loads(shards: &[PlacedShard], moved: &BTreeMap<ShardId, usize>, members: usize) -> Vec<usize> {
        let mut loads = vec![0; members];
        for shard in shards {
            loads[moved.get(&shard.id).copied().unwrap_or(shard.member)] += shard.accounts;
        }
        loads
    }

    fn placed(shards: &[(usize, usize)]) -> Vec<PlacedShard> {
        let shard = |(id, (accounts, member)): (ShardId, &(usize, usize))| PlacedShard {
            id,
            accounts: *accounts,
            member: *member,
        };
        ShardId::first(u16::MAX).zip(shards).map(shard).collect()
    }

    #[test]
    fn shards_move_until_each_member_has_its_share() {
        for (shards, members, expected, moves) in [
            (vec![], 3, vec![0, 0, 0], 0),
            (vec![(1, 0); 9], 3, vec![3, 3, 3], 6),
            (vec![(1, 0), (1, 0), (1, 1)], 2, vec![2, 1], 0),
            (vec![(0, 0); 9], 3, vec![0, 0, 0], 0),
            (vec![(7, 0), (1, 0), (1, 0), (1, 0), (2, 1)], 2, vec![7, 5], 3),
            (vec![(5, 0), (5, 0)], 2, vec![5, 5], 1),
            (vec![(5, 0)], 2, vec![5, 0], 0),
        ] {
            let shards = placed(&shards);
            let moved = balance(shards.clone(), members);
            let mut seen = loads(&shards, &moved, members);
            seen.sort_by(|a, b| b.cmp(a));
            assert_eq!((seen, moved.len()), (expected, moves), "{shards:?}");
        }
        assert!(balance(placed(&[(1, 0)]), 0).is_empty());
    }

    proptest! {
        #[test]
        fn the_shares_differ_by_less_than_a_shard(shards in vec((0_usize..20, 0_usize..5), 0..300)) {
            let shards = placed(&shards);
            let moved = balance(shards.clone(), 5);
            let (before, after) = (loads(&shards, &BTreeMap::new(), 5), loads(&shards, &moved, 5));
            prop_assert_eq!(before.iter().sum::<usize>(), after.iter().sum::<usize>());
            let spread = |loads: &[usize]| loads.iter().max().unwrap() - loads.iter().min().unwrap();
            prop_assert!(spread(&after) <= spread(&before));
            let fullest = (0..5).max_by_key(|member| after[*member]).unwrap();
            let of_fullest = shards.iter().filter(|shard| {
                shard.accounts > 0 && moved.get(&shard.id).copied().unwrap_or(shard.member) == fullest
            });
            let smallest = of_fullest.map(|shard| shard.accounts).min();
            prop_assert!(smallest.is_none_or(|smallest| spread(&after) <= smallest), "{after:?}");
        }
    }
}
