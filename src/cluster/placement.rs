//! The choice of a member for each shard.

use ring::digest::{Context, SHA256};

use super::{MemberId, MemberName, ShardId};

/// Returns the member of the candidates that a shard belongs to: the one at its home, if that is there, else the one that the
/// hash chooses.
pub(super) fn choose_with_home<'a>(
    shard: ShardId,
    home: Option<&MemberName>,
    candidates: &'a [MemberId],
) -> Option<&'a MemberId> {
    let at_home = candidates.iter().filter(|id| Some(id.name()) == home).max();
    at_home.or_else(|| choose(shard, candidates))
}

/// Returns the member of the candidates that the hash chooses for a shard, by rendezvous hashing: when a member joins or leaves,
/// only its own shards move. Of two candidates with the same name, the later one counts.
pub(super) fn choose<'a>(
    shard: ShardId,
    candidates: impl IntoIterator<Item = &'a MemberId>,
) -> Option<&'a MemberId> {
    candidates.into_iter().max_by_key(|id| (score(id.name(), shard), *id))
}

fn score(member: &MemberName, shard: ShardId) -> [u8; 8] {
    let mut hash = Context::new(&SHA256);
    hash.update(member.as_str().as_bytes());
    // No name contains it.
    hash.update(b"/");
    hash.update(&shard.number().to_be_bytes());
    let mut score = [0; 8];
    score.iter_mut().zip(hash.finish().as_ref()).for_each(|(to, from)| *to = *from);
    score
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cluster::SHARDS;

    fn ids(count: usize) -> Vec<MemberId> {
        (0..count).map(|n| MemberId::new(MemberName::new(&format!("m{n}")).unwrap(), 1)).collect()
    }

    fn owners(candidates: &[MemberId]) -> Vec<Option<MemberId>> {
        ShardId::first(SHARDS).map(|shard| choose(shard, candidates).cloned()).collect()
    }

    #[test]
    fn shards_are_spread_evenly() {
        for count in [2, 3, 5, 10] {
            let mut shares = BTreeMap::<_, usize>::new();
            owners(&ids(count)).into_iter().flatten().for_each(|id| *shares.entry(id).or_default() += 1);
            let fair = usize::from(SHARDS) / count;
            let is_fair = |share: &usize| (fair * 3 / 4..=fair * 5 / 4 + 1).contains(share);
            assert!(shares.len() == count && shares.values().all(is_fair), "{count}: {shares:?}");
        }
        assert_eq!(choose(ShardId::new(0).unwrap(), &[]), None);
    }

    #[test]
    fn a_member_that_joins_only_takes_and_one_that_leaves_only_gives() {
        for count in 1..8 {
            let (fewer, more) = (ids(count), ids(count + 1));
            let moved: Vec<_> = owners(&fewer)
                .into_iter()
                .zip(owners(&more))
                .filter(|(before, after)| before != after)
                .collect();
            assert!(moved.iter().all(|(_, after)| after.as_ref() == more.last()), "{count}");
            assert!(moved.len() < usize::from(SHARDS) / (count + 1) * 5 / 4 + 1, "{count}: {}", moved.len());
        }
    }

    #[test]
    fn a_restarted_member_gets_the_same_shards() {
        let before = ids(3);
        let mut after = before.clone();
        after[1] = MemberId::new(before[1].name().clone(), 2);
        let name = |owner: Option<MemberId>| owner.map(|id| id.name().clone());
        let names = |ids: &[MemberId]| owners(ids).into_iter().map(name).collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after));
        let both = [before.clone(), after.clone()].concat();
        assert_eq!(owners(&both), owners(&after), "the later of two counts");
    }
}
