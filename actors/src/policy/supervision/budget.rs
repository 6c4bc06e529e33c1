use std::time::Duration;
use std::{collections::VecDeque, time::Instant};

use super::restart_policy::RestartSettings;

/// The result of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeOutcome {
    /// The account may restart.
    Allowed,
    /// The account rests for the given time.
    Tripped(Duration),
}

/// The state of a budget's circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Charges are counted in the window.
    Closed,
    /// The account rests.
    Tripped {
        /// The length of the rest.
        cooldown: Duration,
        /// The time of the charge that tripped it.
        by: Instant,
    },
    /// The account is on trial: the next charge trips it at once, with twice the cooldown.
    HalfOpen {
        /// The length of the last rest.
        cooldown: Duration,
        /// The time of the charge that led to it.
        by: Instant,
    },
}

/// The restart budget of one account: a sliding window of charged endings, and a circuit breaker with a half-open
/// state.
#[derive(Debug)]
pub struct Budget {
    max_restarts: u32,
    within: Duration,
    cooldown: Duration,
    max_cooldown: Duration,
    /// The charges in the window, oldest first; at most `max_restarts + 1`, because the last of them trips.
    charges: VecDeque<Instant>,
    phase: BreakerState,
    /// The state before the trip, restored if its charge is refunded.
    before_trip: BreakerState,
}

impl Budget {
    /// Creates a full budget.
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

    /// Changes the limits. Charges are kept, and a rest that has begun keeps its length.
    pub fn configure(&mut self, settings: &RestartSettings) {
        self.max_restarts = settings.max_restarts;
        self.within = settings.within;
        self.cooldown = settings.cooldown;
        self.max_cooldown = settings.max_cooldown;
    }

    /// Returns the state of the circuit breaker.
    pub fn breaker_state(&self) -> BreakerState {
        self.phase
    }

    /// Returns the number of charged endings in the window.
    pub fn used(&mut self, now: Instant) -> u32 {
        self.forget(now);
        u32::try_from(self.charges.len()).unwrap_or(u32::MAX)
    }

    /// Returns the number of charged endings that may still follow before the account trips.
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
            // Nothing runs during a rest; a late ending changes nothing.
            BreakerState::Tripped { cooldown, .. } => return ChargeOutcome::Tripped(cooldown),
        };
        self.before_trip = self.phase;
        self.phase = BreakerState::Tripped { cooldown, by: now };
        ChargeOutcome::Tripped(cooldown)
    }

    /// Ends the rest: the next charge trips at once.
    pub fn cooled_down(&mut self) {
        if let BreakerState::Tripped { cooldown, by } = self.phase {
            self.phase = BreakerState::HalfOpen { cooldown, by };
        }
    }

    /// Restores a half-open budget after a Connection was ready for `reset_after`.
    pub fn settled(&mut self) {
        if let BreakerState::HalfOpen { .. } = self.phase {
            self.reset();
        }
    }

    /// Refunds the charge made at the given time. Returns true if that undid a trip.
    pub fn refund(&mut self, charged_at: Instant) -> bool {
        let Some(index) = self.charges.iter().position(|at| *at == charged_at) else { return false };
        self.charges.remove(index);
        match self.phase {
            BreakerState::Tripped { by, .. } if by == charged_at => {
                self.phase = self.before_trip;
                true
            }
            // The account was put on trial before the refund.
            BreakerState::HalfOpen { by, .. } if by == charged_at => {
                self.phase = self.before_trip;
                false
            }
            // Refunding this charge brings the count back under the limit, so the trip is undone.
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

    /// Restores the full budget.
    pub fn reset(&mut self) {
        self.charges.clear();
        self.phase = BreakerState::Closed;
        self.before_trip = BreakerState::Closed;
    }

    fn forget(&mut self, now: Instant) {
        // A charge exactly as old as the window is outside it.
        while self.charges.front().is_some_and(|at| now.saturating_duration_since(*at) >= self.within) {
            self.charges.pop_front();
        }
        // More charges than these cannot matter, and none is counted during a rest.
        while self.charges.len() > self.max_restarts as usize + 1 {
            self.charges.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
