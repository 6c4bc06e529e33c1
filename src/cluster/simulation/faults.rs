//! The faults of the model.

use super::{Event, FAULTS, Millis, Model, TTL};
use crate::cluster::simulation::sim_store::StoreRequest;

/// The longest partition or pause: some are shorter than a lease, some are longer.
const LONGEST_FAULT: Millis = 2 * TTL;

/// The most by which the store's clock may jump: less than the margin of a fence.
const LONGEST_STORE_JUMP: Millis = TTL / 10;

impl Model {
    pub(super) fn inject_fault(&mut self) {
        let next = self.rng.u64(500..8_000);
        self.schedule(next, Event::Fault);
        let alive: Vec<_> = (0..self.members.len()).filter(|at| self.members[*at].is_alive).collect();
        let Some(at) = self.rng.choice(alive) else { return };
        let length = self.rng.u64(100..LONGEST_FAULT);
        let until = (self.now + length).min(FAULTS);
        let kind = self.rng.u8(..12);
        let is_harmless = matches!(kind, 6 | 7 | 10 | 11);
        if !is_harmless {
            self.last_harm = self.now;
        }
        match kind {
            0 | 1 => self.cut(at, until),
            2 | 3 => self.members[at].paused_until = until,
            4 => self.kill(at),
            // A pause in which the connection is lost, too.
            5 => {
                self.members[at].paused_until = until;
                let longer = self.rng.u64(..2_000);
                self.cut(at, until + longer);
            }
            6 => {
                let draining = !self.members[at].is_draining;
                self.set_draining(at, draining);
            }
            7 => self.leave(at),
            8 => self.members[at].jump(length),
            10 | 11 => drop(self.members[at].coordinator.rebalance()),
            _ => self.harm_store(until),
        }
        let member = &mut self.members[at];
        member.update_wellness(self.now);
    }

    /// The store does not answer anybody for a time, and its clock jumps.
    fn harm_store(&mut self, until: Millis) {
        if self.store.ahead == 0 {
            self.store.ahead = self.rng.u64(..LONGEST_STORE_JUMP);
        }
        for at in 0..self.members.len() {
            let late = self.rng.u64(..300);
            self.cut(at, until + late);
            self.members[at].update_wellness(self.now);
        }
    }

    fn cut(&mut self, at: usize, until: Millis) {
        let member = &mut self.members[at];
        member.cut_until = member.cut_until.max(until);
    }

    /// Kills a member and starts it again under the same name.
    fn kill(&mut self, at: usize) {
        self.members[at].is_alive = false;
        let name = self.members[at].name;
        self.add_member(name);
    }

    fn set_draining(&mut self, at: usize, draining: bool) {
        let others = self.members.iter().filter(|member| member.is_alive && !member.is_draining).count();
        if draining && others < 2 {
            return;
        }
        self.members[at].is_draining = draining;
        self.members[at].coordinator.set_draining(draining);
    }

    /// Ends a member that has stopped its accounts, and starts it again.
    fn leave(&mut self, at: usize) {
        let member = &mut self.members[at];
        member.is_alive = false;
        let name = member.name;
        if let Some(request) = member.coordinator.leave() {
            self.send(at, StoreRequest::Lease(request));
        }
        self.add_member(name);
    }

    pub(super) fn end_faults(&mut self) {
        self.events.retain(|event| event.0.2 != Event::Fault);
        for at in 0..self.members.len() {
            if self.members[at].is_alive {
                self.set_draining(at, false);
            }
        }
        let last_heal = self.members.iter().map(|member| member.cut_until.max(member.paused_until)).max();
        self.last_harm = last_heal.unwrap_or_default().max(self.now);
    }
}
