//! Shards: the parts into which the accounts of a cluster fall.

use std::fmt;

use matterhost_actors::model::AccountName;
use ring::digest::{SHA256, digest};

/// The number of shards. It must be a power of two, and never change: members of all versions must agree.
pub const SHARDS: u16 = 1_024;

/// A number of a shard, below [`SHARDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(u16);

impl ShardId {
    /// Returns a shard by its number, if there is one of that number.
    pub fn new(number: u16) -> Option<Self> {
        (number < SHARDS).then_some(Self(number))
    }

    /// Returns the first shards, as many as asked for at most.
    pub(super) fn first(count: u16) -> impl Iterator<Item = Self> {
        (0..count.min(SHARDS)).map(Self)
    }

    /// Returns the number.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Returns the shard of an account, by a hash of its name that is the same on every machine and in every version.
pub fn shard_of(account: &AccountName) -> ShardId {
    let hash = digest(&SHA256, account.as_str().as_bytes());
    let number = hash.as_ref().iter().take(2).fold(0, |number, byte| (number << 8) | u16::from(*byte));
    ShardId(number % SHARDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(name: &str) -> u16 {
        shard_of(&AccountName::new(name).unwrap()).number()
    }

    #[test]
    fn the_shards_of_names_never_change() {
        // From `printf NAME | sha256sum`: the first four digits, modulo 1,024.
        assert_eq!([shard("helpdesk"), shard("bot-1"), shard("ä")], [845, 704, 998]);
    }

    #[test]
    fn accounts_are_spread_over_all_shards() {
        let mut counts = vec![0_u32; SHARDS.into()];
        (0..10_000).for_each(|n| counts[usize::from(shard(&format!("bot-{n:05}")))] += 1);
        let largest = counts.iter().max().copied().unwrap();
        assert!(largest <= 28 && counts.iter().filter(|count| **count == 0).count() < 5, "{largest}");
        assert_eq!(ShardId::new(SHARDS), None);
        assert_eq!(ShardId::new(SHARDS - 1).unwrap().number(), 1_023);
    }
}
