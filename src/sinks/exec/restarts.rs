//! When a child that ended is started again: by the same budget and delays as accounts.

use std::time::{Duration, Instant};

use matterhost_actors::policy::{Backoff, Budget, ChargeOutcome, RestartPolicy};
use tokio::sync::watch;

/// The memory that a child's restarts are decided from.
#[derive(Debug)]
pub(super) struct ChildRestarts {
    /// What the operator has set, which may change.
    set: watch::Receiver<RestartPolicy>,
    policy: RestartPolicy,
    budget: Budget,
    backoff: Backoff,
}

/// What follows an ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextStart {
    /// Start it again after the delay.
    AfterBackoff(Duration),
    /// The budget is spent: rest for so long, then try once.
    AfterCooldown(Duration),
}

impl ChildRestarts {
    pub(super) fn new(mut set: watch::Receiver<RestartPolicy>) -> Self {
        let policy = *set.borrow_and_update();
        let (budget, backoff) = (Budget::new(policy.settings()), Backoff::new(policy.delays()));
        Self { set, policy, budget, backoff }
    }

    fn take_up_what_is_set(&mut self) {
        // Whoever set it may have gone; then it stays as it is.
        if self.set.has_changed().unwrap_or(false) {
            self.policy = *self.set.borrow_and_update();
            self.budget.configure(self.policy.settings());
            self.backoff = Backoff::new(self.policy.delays());
        }
    }

    /// A child begins: if the budget was spent, it is on trial.
    pub(super) fn child_started(&mut self) {
        self.budget.cooled_down();
    }

    /// A child ended that had run for so long. Every ending is charged: it is to live as long as the sink.
    pub(super) fn child_ended(&mut self, now: Instant, ran: Duration) -> NextStart {
        self.take_up_what_is_set();
        if ran >= self.policy.settings().reset_after {
            self.budget.settled();
            self.backoff.reset();
        }
        match self.budget.charge(now) {
            ChargeOutcome::Allowed => NextStart::AfterBackoff(self.backoff.next_delay()),
            ChargeOutcome::Tripped(rest) => NextStart::AfterCooldown(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use matterhost_actors::policy::RestartSettings;

    use super::*;

    #[test]
    fn a_child_that_always_fails_rests_longer_and_longer_and_one_that_ran_well_begins_anew() {
        let settings = RestartSettings { max_restarts: 2, random_factor: 0.0, ..RestartSettings::default() };
        let mut restarts =
            ChildRestarts::new(watch::Sender::new(RestartPolicy::new(settings).unwrap()).subscribe());
        let start = Instant::now();
        let mut end = |at: u64, ran: u64| {
            restarts.child_started();
            restarts.child_ended(start + Duration::from_secs(at), Duration::from_secs(ran))
        };
        let rest = |times: u32| NextStart::AfterCooldown(settings.cooldown * times);
        assert!(matches!(end(0, 0), NextStart::AfterBackoff(delay) if delay.as_secs() == 1));
        assert!(matches!(end(1, 0), NextStart::AfterBackoff(delay) if delay.as_secs() == 2));
        assert_eq!(end(2, 0), rest(1));
        assert_eq!(end(400, 0), rest(2));
        assert!(matches!(end(2_000, 60), NextStart::AfterBackoff(delay) if delay.as_secs() == 1));
    }
}
