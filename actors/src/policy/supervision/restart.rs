//! What to do after each ending of one account's Connections: budget, delays and slow asking together.

use std::time::{Duration, Instant};

use crate::model::CloseReason;
use crate::policy::{
    Backoff, BreakerState, Budget, ChargeOutcome, ChargeRule, Consequence, Delays, RestartPolicy, RunSummary,
    consequence, gate::MAX_PAUSE,
};

/// How slowly a server is asked whether a blocked or misconfigured account may connect again.
const ASKING: Delays =
    Delays { min: Duration::from_secs(5), max: Duration::from_secs(300), random_factor: 0.2 };

/// What to do after an ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestartDecision {
    /// Nothing, until somebody starts the account.
    Stop,
    /// A new Connection after the delay.
    Start {
        /// The delay.
        after: Duration,
        /// Whether it may resume.
        resume: bool,
        /// Whether the ending was charged, at this moment.
        charged: Option<Instant>,
    },
    /// A new Connection at once, on another Arbiter.
    MoveArbiter,
    /// Blocked: ask again after the delay.
    PollBlocked(Duration),
    /// Misconfigured: ask again after the delay.
    PollMisconfigured(Duration),
    /// The budget is spent: rest for so long, then try half-open.
    Trip {
        /// The rest.
        cooldown: Duration,
        /// When the ending was charged.
        charged: Instant,
    },
}

/// The memory that one account's restarts are decided from.
#[derive(Debug)]
pub(crate) struct RestartTracker {
    policy: RestartPolicy,
    budget: Budget,
    backoff: Backoff,
    /// Delays of recycles that follow each other.
    recycling: Backoff,
    asking: Backoff,
}

impl RestartTracker {
    /// A tracker with a whole budget.
    pub(crate) fn new(policy: RestartPolicy) -> Self {
        let budget = Budget::new(policy.settings());
        let [backoff, recycling] = [policy.delays(), policy.delays()].map(Backoff::new);
        Self { policy, budget, backoff, recycling, asking: Backoff::new(ASKING) }
    }

    /// The operator set another policy: what was charged stays charged, and delays begin anew.
    pub(crate) fn configure(&mut self, policy: RestartPolicy) {
        self.budget.configure(policy.settings());
        [self.backoff, self.recycling] = [policy.delays(), policy.delays()].map(Backoff::new);
        self.policy = policy;
    }

    /// Takes note of an ending and says what to do.
    pub(crate) fn ended(&mut self, now: Instant, reason: &CloseReason, run: RunSummary) -> RestartDecision {
        if run.ready_for.is_some_and(|ready| ready >= self.policy.settings().reset_after) {
            self.settled();
        }
        if run.ready_for.is_some() {
            self.asking.reset();
        }
        let next = consequence(reason, run);
        self.forget_other_series(next);
        match next {
            Consequence::Stop => RestartDecision::Stop,
            Consequence::RestartNow => Self::start(Duration::ZERO, false),
            Consequence::MoveArbiter => RestartDecision::MoveArbiter,
            Consequence::Recycle => {
                let after = self.recycling.next_delay();
                Self::start(after, false)
            }
            Consequence::PollBlocked => RestartDecision::PollBlocked(self.asking.next_delay()),
            Consequence::PollMisconfigured => RestartDecision::PollMisconfigured(self.asking.next_delay()),
            Consequence::Backoff { charge, resume, at_least } => {
                let charge = self.is_charged(charge, run);
                self.back_off(now, charge, resume, at_least.unwrap_or_default())
            }
        }
    }

    /// A Connection was ready for `reset_after`: delays begin anew, a half-open budget is whole again.
    pub(crate) fn settled(&mut self) {
        self.budget.settled();
        self.backoff.reset();
        self.recycling.reset();
    }

    /// The rest of a tripped account is over.
    pub(crate) fn cooled_down(&mut self) {
        self.budget.cooled_down();
    }

    /// Takes a charge back. `Some` when that undid a trip: the account starts again after the delay.
    pub(crate) fn refund(&mut self, charged_at: Instant) -> Option<Duration> {
        self.budget.refund(charged_at).then(|| self.backoff.next_delay())
    }

    /// Gives the whole budget back, and begins the delays anew.
    pub(crate) fn reset(&mut self) {
        self.budget.reset();
        self.backoff.reset();
        self.recycling.reset();
        self.asking.reset();
    }

    /// The restart budget.
    pub(crate) fn budget(&mut self) -> &mut Budget {
        &mut self.budget
    }

    /// Whether the account is resting or on trial.
    pub(crate) fn breaker_state(&self) -> BreakerState {
        self.budget.breaker_state()
    }

    fn start(after: Duration, resume: bool) -> RestartDecision {
        RestartDecision::Start { after, resume, charged: None }
    }

    fn is_charged(&self, charge: ChargeRule, run: RunSummary) -> bool {
        match charge {
            ChargeRule::Never => false,
            ChargeRule::Always => true,
            ChargeRule::IfFlapping => {
                run.ready_for.is_none_or(|ready| ready < self.policy.settings().reset_after)
            }
        }
    }

    fn back_off(&mut self, now: Instant, charge: bool, resume: bool, at_least: Duration) -> RestartDecision {
        if charge && let ChargeOutcome::Tripped(cooldown) = self.budget.charge(now) {
            return RestartDecision::Trip { cooldown, charged: now };
        }
        let after = self.backoff.next_delay().max(at_least.min(MAX_PAUSE));
        RestartDecision::Start { after, resume, charged: charge.then_some(now) }
    }

    /// A series goes on only while its own kind of ending follows itself. The backoff alone is kept through
    /// everything but a run that settled.
    fn forget_other_series(&mut self, next: Consequence) {
        if next != Consequence::Recycle {
            self.recycling.reset();
        }
        if !matches!(next, Consequence::PollBlocked | Consequence::PollMisconfigured) {
            self.asking.reset();
        }
    }
}

#[cfg(test)]
mod tests;
