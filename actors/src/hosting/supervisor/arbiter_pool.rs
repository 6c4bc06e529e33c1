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
    /// Which Arbiter of this slot it is: a place on an earlier one is not a place on this one.
    epoch: u64,
}

/// Which Arbiter an account lives on; `None` is the Supervisor's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(Option<(usize, u64)>);

impl Pool {
    pub(super) fn new(arbiters: usize) -> Self {
        Self {
            arbiters: (0..arbiters)
                .map(|_| Slot { arbiter: Arbiter::new(), accounts: 0, epoch: 0 })
                .collect(),
        }
    }

    /// Takes a place on the Arbiter with the fewest accounts. One that died is replaced first.
    pub(super) fn take(&mut self) -> Place {
        for slot in &mut self.arbiters {
            if !is_alive(&slot.arbiter) {
                slot.renew();
            }
        }
        let fewest = self.arbiters.iter_mut().enumerate().min_by_key(|(_, slot)| slot.accounts);
        Place(fewest.map(|(index, slot)| {
            slot.accounts += 1;
            (index, slot.epoch)
        }))
    }

    /// Gives a place back.
    pub(super) fn leave(&mut self, place: Place) {
        if let Some(slot) = self.slot_mut(place) {
            slot.accounts = slot.accounts.saturating_sub(1);
        }
    }

    /// Puts a fresh Arbiter in the place of one that hangs. What lives on the old one stays there until it moves.
    pub(super) fn condemn(&mut self, place: Place) {
        if let Some(slot) = self.slot_mut(place) {
            slot.renew();
        }
    }

    /// Whether what lives there can live.
    pub(super) fn is_alive(&self, place: Place) -> bool {
        place.0.is_none() || self.slot(place).is_some_and(|slot| is_alive(&slot.arbiter))
    }

    fn slot(&self, place: Place) -> Option<&Slot> {
        let (index, epoch) = place.0?;
        self.arbiters.get(index).filter(|slot| slot.epoch == epoch)
    }

    fn slot_mut(&mut self, place: Place) -> Option<&mut Slot> {
        let (index, epoch) = place.0?;
        self.arbiters.get_mut(index).filter(|slot| slot.epoch == epoch)
    }

    /// Starts an actor there.
    pub(super) fn start<A: Actor<Context = Context<A>>>(
        &self,
        place: Place,
        make: impl FnOnce() -> A + Send + 'static,
    ) -> Addr<A> {
        match self.slot(place) {
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

impl Slot {
    fn renew(&mut self) {
        *self = Self { arbiter: Arbiter::new(), accounts: 0, epoch: self.epoch + 1 };
    }
}

fn is_alive(arbiter: &Arbiter) -> bool {
    arbiter.spawn_fn(|| ())
}
