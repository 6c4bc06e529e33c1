//! The Arbiters that accounts are spread over.

use actix::{Actor, Addr, Arbiter, Context};

/// A fixed number of Arbiters; none means the Supervisor's own.
#[derive(Debug)]
pub(super) struct Pool {
    arbiters: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    arbiter: Arbiter,
    accounts: usize,
}

/// Which Arbiter an account lives on; `None` is the Supervisor's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(Option<usize>);

impl Pool {
    pub(super) fn new(arbiters: usize) -> Self {
        Self { arbiters: (0..arbiters).map(|_| Slot { arbiter: Arbiter::new(), accounts: 0 }).collect() }
    }

    /// Takes a place on the Arbiter with the fewest accounts. One that died is replaced first.
    pub(super) fn take(&mut self) -> Place {
        for slot in &mut self.arbiters {
            if !is_alive(&slot.arbiter) {
                *slot = Slot { arbiter: Arbiter::new(), accounts: 0 };
            }
        }
        let fewest = (0..self.arbiters.len()).min_by_key(|index| self.arbiters[*index].accounts);
        if let Some(index) = fewest {
            self.arbiters[index].accounts += 1;
        }
        Place(fewest)
    }

    /// Gives a place back.
    pub(super) fn leave(&mut self, place: Place) {
        if let Some(slot) = place.0.and_then(|index| self.arbiters.get_mut(index)) {
            slot.accounts = slot.accounts.saturating_sub(1);
        }
    }

    /// Whether what lives there can live.
    pub(super) fn is_alive(&self, place: Place) -> bool {
        place.0.and_then(|index| self.arbiters.get(index)).is_none_or(|slot| is_alive(&slot.arbiter))
    }

    /// Starts an actor there.
    pub(super) fn start<A: Actor<Context = Context<A>>>(
        &self,
        place: Place,
        make: impl FnOnce() -> A + Send + 'static,
    ) -> Addr<A> {
        match place.0.and_then(|index| self.arbiters.get(index)) {
            Some(slot) => A::start_in_arbiter(&slot.arbiter.handle(), move |_| make()),
            None => make().start(),
        }
    }

    /// Ends all Arbiters.
    pub(super) fn stop(&self) {
        for slot in &self.arbiters {
            slot.arbiter.stop();
        }
    }
}

fn is_alive(arbiter: &Arbiter) -> bool {
    arbiter.spawn_fn(|| ())
}
