//! The restart budget: a sliding window of charged endings, and a breaker with a half-open phase.

use std::time::Duration;
use std::{collections::VecDeque, time::Instant};

use super::restart_policy::RestartSettings;

/// What a charge led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeOutcome {
    /// The account may go on.
    Allowed,
    /// The account rests for so long.
    Tripped(Duration),
}

/// Where the breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Charges are counted in the window.
    Closed,
    /// Resting, for the cooldown given, from the charge at the moment given.
    Tripped {
        /// The length of the rest.
        cooldown: Duration,
        /// The charge that tripped.
        by: Instant,
    },
    /// Trying again: the next charge trips at once, with twice the cooldown given.
    HalfOpen {
        /// The last rest.
        cooldown: Duration,
        /// The charge that led to it.
        by: Instant,
    },
}

/// The restart budget of one account.
#[derive(Debug)]
pub struct Budget {
    max_restarts: u32,
    within: Duration,
    cooldown: Duration,
    max_cooldown: Duration,
    /// Charges in the window, oldest first; never more than `max_restarts + 1`, for the last of them trips.
    charges: VecDeque<Instant>,
    phase: BreakerState,
    /// The phase before the trip, to go back to when its charge is taken back.
    before_trip: BreakerState,
}

impl Budget {
    /// A whole budget.
    pub fn new(settings: &RestartSettings) -> Self {
        Self {
            max_restarts: settings.max_restarts,
            within: settings.within,
            cooldown: settings.cooldown,
            max_cooldown: settings.max_cooldown,
            charges: VecDeque::new(),
            phase: BreakerState::Closed,
            before_trip: BreakerState::Closed,
        }
    }

    /// The operator set other limits. What was charged stays charged, and a rest that has begun keeps its length.
    pub fn configure(&mut self, settings: &RestartSettings) {
        self.max_restarts = settings.max_restarts;
        self.within = settings.within;
        self.cooldown = settings.cooldown;
        self.max_cooldown = settings.max_cooldown;
    }

    /// Where the breaker stands.
    pub fn breaker_state(&self) -> BreakerState {
        self.phase
    }

    /// Charged endings in the window.
    pub fn used(&mut self, now: Instant) -> u32 {
        self.forget(now);
        u32::try_from(self.charges.len()).unwrap_or(u32::MAX)
    }

    /// Charged endings that may still follow before the account trips.
    pub fn remaining(&mut self, now: Instant) -> u32 {
        match self.phase {
            BreakerState::Closed => self.max_restarts.saturating_sub(self.used(now)),
            BreakerState::Tripped { .. } | BreakerState::HalfOpen { .. } => 0,
        }
    }

    /// Charges an ending.
    pub fn charge(&mut self, now: Instant) -> ChargeOutcome {
        self.forget(now);
        self.charges.push_back(now);
        let cooldown = match self.phase {
            BreakerState::Closed if self.charges.len() <= self.max_restarts as usize => {
                return ChargeOutcome::Allowed;
            }
            BreakerState::Closed => self.cooldown,
            BreakerState::HalfOpen { cooldown, .. } => cooldown.saturating_mul(2).min(self.max_cooldown),
            // Nothing runs while it rests; an ending that comes late changes nothing.
            BreakerState::Tripped { cooldown, .. } => return ChargeOutcome::Tripped(cooldown),
        };
        self.before_trip = self.phase;
        self.phase = BreakerState::Tripped { cooldown, by: now };
        ChargeOutcome::Tripped(cooldown)
    }

    /// The rest is over: the next charge trips at once.
    pub fn cooled_down(&mut self) {
        if let BreakerState::Tripped { cooldown, by } = self.phase {
            self.phase = BreakerState::HalfOpen { cooldown, by };
        }
    }

    /// A Connection was ready for `reset_after`: a half-open budget is whole again.
    pub fn settled(&mut self) {
        if let BreakerState::HalfOpen { .. } = self.phase {
            self.reset();
        }
    }

    /// Takes back the charge of that moment: it was not the account's fault. Says whether that undid a trip.
    pub fn refund(&mut self, charged_at: Instant) -> bool {
        let Some(place) = self.charges.iter().position(|at| *at == charged_at) else { return false };
        self.charges.remove(place);
        match self.phase {
            BreakerState::Tripped { by, .. } if by == charged_at => {
                self.phase = self.before_trip;
                true
            }
            // Somebody was quicker and had it try again.
            BreakerState::HalfOpen { by, .. } if by == charged_at => {
                self.phase = self.before_trip;
                false
            }
            // Another charge tripped it, and with this one gone there were not too many.
            BreakerState::Tripped { .. }
                if self.before_trip == BreakerState::Closed
                    && self.charges.len() <= self.max_restarts as usize =>
            {
                self.phase = BreakerState::Closed;
                true
            }
            BreakerState::Tripped { .. } | BreakerState::Closed | BreakerState::HalfOpen { .. } => false,
        }
    }

    /// Gives the whole budget back.
    pub fn reset(&mut self) {
        self.charges.clear();
        self.phase = BreakerState::Closed;
        self.before_trip = BreakerState::Closed;
    }

    fn forget(&mut self, now: Instant) {
        // A charge as old as the window is outside it.
        while self.charges.front().is_some_and(|at| now.saturating_duration_since(*at) >= self.within) {
            self.charges.pop_front();
        }
        // More than these cannot matter, and a rest is not counted.
        while self.charges.len() > self.max_restarts as usize + 1 {
            self.charges.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
