use std::time::{Duration, Instant};

use crate::model::CloseReason;
use crate::policy::{
    Backoff, BreakerState, Budget, ChargeOutcome, ChargeRule, Consequence, Delays, Recycling, RestartPolicy,
    RunSummary, consequence, gate::MAX_PAUSE,
};

/// The intervals at which a server is polled for a blocked or misconfigured account.
const POLL_DELAYS: Delays =
    Delays { min: Duration::from_secs(5), max: Duration::from_secs(300), random_factor: 0.2 };

/// The delay after which a 401 to the first Connection after a recycle is verified: an account that is disabled and
/// enabled again is refused in between.
const RECHECK_AFTER: Duration = Duration::from_secs(1);

/// The action to take after an ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestartDecision {
    /// Do nothing until the operator starts the account.
    Stop,
    /// Start a new Connection after the delay.
    Start {
        /// The delay.
        after: Duration,
        /// True if it may resume.
        resume: bool,
        /// The time of the charge, if the ending was charged.
        charged: Option<Instant>,
    },
    /// Start a new Connection at once, on another Arbiter.
    MoveArbiter,
    /// Poll as blocked after the delay.
    PollBlocked(Duration),
    /// Poll as misconfigured after the delay.
    PollMisconfigured(Duration),
    /// Rest, because the budget is exhausted; then try half-open.
    Trip {
        /// The length of the rest.
        cooldown: Duration,
        /// The time of the charge.
        charged: Instant,
    },
}

/// The manner of a delayed start.
#[derive(Debug, Clone, Copy)]
struct Start {
    resume: bool,
    at_least: Duration,
}

/// The state from which an account's restarts are decided: budget, delays and slow polls.
#[derive(Debug)]
pub(crate) struct RestartTracker {
    policy: RestartPolicy,
    budget: Budget,
    /// The delays after runs that were ready.
    backoff: Backoff,
    /// The delays after runs that never were: they start over when a connect works.
    connecting: Backoff,
    /// The delays of consecutive recycles.
    recycling: Recycling,
    polling: Backoff,
}

impl RestartTracker {
    /// Creates a tracker with a full budget.
    pub(crate) fn new(policy: RestartPolicy) -> Self {
        let budget = Budget::new(policy.settings());
        let [backoff, connecting] = [policy.delays(), policy.delays()].map(Backoff::new);
        let recycling = Recycling::new(policy.delays());
        Self { policy, budget, backoff, connecting, recycling, polling: Backoff::new(POLL_DELAYS) }
    }

    /// Changes the policy: charges are kept, and delays start over.
    pub(crate) fn configure(&mut self, policy: RestartPolicy) {
        self.budget.configure(policy.settings());
        [self.backoff, self.connecting] = [policy.delays(), policy.delays()].map(Backoff::new);
        self.recycling = Recycling::new(policy.delays());
        self.policy = policy;
    }

    /// Records an ending and returns the action to take.
    pub(crate) fn ended(&mut self, now: Instant, reason: &CloseReason, run: RunSummary) -> RestartDecision {
        if run.ready_for.is_some_and(|ready| ready >= self.policy.settings().reset_after) {
            self.settled();
        }
        if run.ready_for.is_some() {
            self.polling.reset();
            self.connecting.reset();
        }
        let next = consequence(reason, run);
        let after_recycle = self.recycling.in_series() && run.ready_for.is_none();
        self.forget_other_series(next);
        match next {
            Consequence::Stop => RestartDecision::Stop,
            Consequence::RestartNow { resume } => Self::start(Duration::ZERO, resume),
            Consequence::MoveArbiter => RestartDecision::MoveArbiter,
            Consequence::Recycle => {
                let after = self.recycling.next_delay(now, self.policy.settings().reset_after);
                Self::start(after, false)
            }
            Consequence::PollBlocked if after_recycle => RestartDecision::PollBlocked(RECHECK_AFTER),
            Consequence::PollBlocked => RestartDecision::PollBlocked(self.polling.next_delay()),
            Consequence::PollMisconfigured => RestartDecision::PollMisconfigured(self.polling.next_delay()),
            Consequence::Backoff { charge, resume, at_least } => {
                let charge = self.is_charged(charge, run);
                let was_ready = run.ready_for.is_some();
                self.back_off(
                    now,
                    charge,
                    was_ready,
                    Start { resume, at_least: at_least.unwrap_or_default() },
                )
            }
        }
    }

    /// Records that a Connection was ready for `reset_after`: delays start over, and a half-open budget is full
    /// again.
    pub(crate) fn settled(&mut self) {
        self.budget.settled();
        self.backoff.reset();
        self.connecting.reset();
        self.recycling.reset();
    }

    /// Ends the rest of a tripped account.
    pub(crate) fn cooled_down(&mut self) {
        self.budget.cooled_down();
    }

    /// Refunds a charge: the delays start over, because the account was not the cause. Returns true if that undid a trip,
    /// and the delay before the restart.
    pub(crate) fn refund(&mut self, charged_at: Instant) -> (bool, Duration) {
        let undone = self.budget.refund(charged_at);
        self.backoff.reset();
        (undone, self.backoff.next_delay())
    }

    /// Restores the full budget and resets the delays.
    pub(crate) fn reset(&mut self) {
        self.budget.reset();
        self.backoff.reset();
        self.connecting.reset();
        self.recycling.reset();
        self.polling.reset();
    }

    /// Returns the restart budget.
    pub(crate) fn budget(&mut self) -> &mut Budget {
        &mut self.budget
    }

    /// Returns the state of the budget's circuit breaker.
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

    fn back_off(&mut self, now: Instant, charge: bool, was_ready: bool, start: Start) -> RestartDecision {
        if charge && let ChargeOutcome::Tripped(cooldown) = self.budget.charge(now) {
            return RestartDecision::Trip { cooldown, charged: now };
        }
        let delays = if was_ready { &mut self.backoff } else { &mut self.connecting };
        let after = delays.next_delay().max(start.at_least.min(MAX_PAUSE));
        RestartDecision::Start { after, resume: start.resume, charged: charge.then_some(now) }
    }

    /// Resets the series of other kinds of endings. Only the backoff is kept until a run settles.
    fn forget_other_series(&mut self, next: Consequence) {
        if next != Consequence::Recycle {
            self.recycling.interrupted();
        }
        if !matches!(next, Consequence::PollBlocked | Consequence::PollMisconfigured) {
            self.polling.reset();
        }
    }
}

#[cfg(test)]
mod tests;
