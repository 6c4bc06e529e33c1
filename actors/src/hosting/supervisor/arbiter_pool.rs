//! The Arbiters that accounts are spread over.

use actix::{Actor, Addr, Arbiter, Context};

/// A fixed number of Arbiters. An empty pool puts everything on the Supervisor's own Arbiter.
#[derive(Debug)]
pub(super) struct ArbiterPool {
    arbiters: Vec<PooledArbiter>,
    /// The accounts that an Arbiter takes before the next one is used.
    fill: usize,
}

#[derive(Debug)]
struct PooledArbiter {
    arbiter: Arbiter,
    accounts: usize,
    /// The number of times that the Arbiter at this index was replaced; slots of earlier ones are void.
    epoch: u64,
}

/// The Arbiter of an account, by index and epoch; `None` is the Supervisor's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ArbiterSlot(Option<(usize, u64)>);

impl ArbiterPool {
    /// Creates a pool. Each Arbiter takes `fill` accounts before the next one is used.
    pub(super) fn new(arbiters: usize, fill: usize) -> Self {
        Self {
            arbiters: (0..arbiters)
                .map(|_| PooledArbiter { arbiter: Arbiter::new(), accounts: 0, epoch: 0 })
                .collect(),
            fill,
        }
    }

    /// Assigns an account to the first Arbiter that is not filled, else to the one with the fewest accounts, after
    /// replacing dead Arbiters. One thread that finds several sockets ready costs less than two that wake for one each.
    pub(super) fn assign(&mut self) -> ArbiterSlot {
        for entry in &mut self.arbiters {
            if !is_alive(&entry.arbiter) {
                entry.replace();
            }
        }
        let fill = self.fill;
        let unfilled = self.arbiters.iter().position(|entry| entry.accounts < fill);
        let mut candidates = self.arbiters.iter_mut().enumerate().skip(unfilled.unwrap_or_default());
        let chosen = if unfilled.is_some() {
            candidates.next()
        } else {
            candidates.min_by_key(|(_, entry)| entry.accounts)
        };
        ArbiterSlot(chosen.map(|(index, entry)| {
            entry.accounts += 1;
            (index, entry.epoch)
        }))
    }

    /// Gives a slot back.
    pub(super) fn release(&mut self, slot: ArbiterSlot) {
        if let Some(entry) = self.entry_mut(slot) {
            entry.accounts = entry.accounts.saturating_sub(1);
        }
    }

    /// Replaces an Arbiter that hangs. Actors on the old one stay there until their accounts move.
    pub(super) fn replace_hung(&mut self, slot: ArbiterSlot) {
        if let Some(entry) = self.entry_mut(slot) {
            entry.replace();
        }
    }

    /// True if the slot's Arbiter still runs.
    pub(super) fn is_alive(&self, slot: ArbiterSlot) -> bool {
        slot.0.is_none() || self.entry(slot).is_some_and(|entry| is_alive(&entry.arbiter))
    }

    fn entry(&self, slot: ArbiterSlot) -> Option<&PooledArbiter> {
        let (index, epoch) = slot.0?;
        self.arbiters.get(index).filter(|entry| entry.epoch == epoch)
    }

    fn entry_mut(&mut self, slot: ArbiterSlot) -> Option<&mut PooledArbiter> {
        let (index, epoch) = slot.0?;
        self.arbiters.get_mut(index).filter(|entry| entry.epoch == epoch)
    }

    /// Starts an actor in a slot.
    pub(super) fn start<A: Actor<Context = Context<A>>>(
        &self,
        slot: ArbiterSlot,
        make: impl FnOnce() -> A + Send + 'static,
    ) -> Addr<A> {
        match self.entry(slot) {
            Some(entry) => A::start_in_arbiter(&entry.arbiter.handle(), move |_| make()),
            None => make().start(),
        }
    }

    /// Stops all Arbiters.
    pub(super) fn stop(&self) {
        for entry in &self.arbiters {
            entry.arbiter.stop();
        }
    }
}

impl PooledArbiter {
    fn replace(&mut self) {
        *self = Self { arbiter: Arbiter::new(), accounts: 0, epoch: self.epoch + 1 };
    }
}

fn is_alive(arbiter: &Arbiter) -> bool {
    arbiter.spawn_fn(|| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of accounts of each Arbiter.
    fn accounts(pool: &ArbiterPool) -> Vec<usize> {
        pool.arbiters.iter().map(|entry| entry.accounts).collect()
    }

    #[actix::test]
    async fn arbiters_are_filled_one_after_the_other_and_then_evenly() {
        let mut pool = ArbiterPool::new(2, 3);
        let first = pool.assign();
        for expected in [[1, 0], [2, 0], [3, 0], [3, 1], [3, 2], [3, 3], [4, 3], [4, 4]] {
            assert_eq!(accounts(&pool), expected);
            pool.assign();
        }
        pool.release(first);
        assert_eq!(accounts(&pool), [4, 4]);
        pool.stop();
        let mut pool = ArbiterPool::new(2, 0);
        pool.assign();
        pool.assign();
        assert_eq!(accounts(&pool), [1, 1], "spread from the first on");
        pool.stop();
    }

    #[actix::test]
    async fn a_dead_arbiter_is_replaced_before_it_is_filled() {
        let mut pool = ArbiterPool::new(1, 3);
        let slot = pool.assign();
        pool.replace_hung(slot);
        assert!(!pool.is_alive(slot));
        let next = pool.assign();
        assert!(pool.is_alive(next));
        assert_eq!(accounts(&pool), [1]);
        pool.stop();
    }
}
