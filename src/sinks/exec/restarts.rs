//! Restart decisions for a child, by the same budget and delays as for accounts.

use std::time::{Duration, Instant};

use matterhost_actors::policy::{self, Backoff, ChargeOutcome, RestartPolicy};
use tokio::sync::watch;

use crate::sinks::monitor::Budget;

/// The shortest time between the end of a child and the start of the next. The events of all accounts wait for that, so it is
/// only long enough for those that the child had to come back.
pub(super) const SHORTEST_DELAY: Duration = Duration::from_millis(20);

/// The restart policy, budget and backoff of a child.
#[derive(Debug)]
pub(super) struct ChildRestarts {
    /// The configured policy, which may change.
    configured: watch::Receiver<RestartPolicy>,
    policy: RestartPolicy,
    budget: policy::Budget,
    backoff: Backoff,
}

/// The next start of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextStart {
    /// Restart after [`SHORTEST_DELAY`]; events wait in the queue meanwhile.
    AtOnce,
    /// Restart after the delay.
    AfterBackoff(Duration),
    /// The budget is spent: wait for the cooldown, then try once.
    AfterCooldown(Duration),
}

impl ChildRestarts {
    pub(super) fn new(mut configured: watch::Receiver<RestartPolicy>) -> Self {
        let policy = *configured.borrow_and_update();
        let (budget, backoff) = (policy::Budget::new(policy.settings()), Backoff::new(policy.delays()));
        Self { configured, policy, budget, backoff }
    }

    fn apply_policy_change(&mut self) {
        // An error means that the sender is gone; the policy then stays as it is.
        if self.configured.has_changed().unwrap_or(false) {
            self.policy = *self.configured.borrow_and_update();
            self.budget.configure(self.policy.settings());
            self.backoff = Backoff::new(self.policy.delays());
        }
    }

    /// Records the start of a child. After a cooldown the budget allows one trial.
    pub(super) fn child_started(&mut self) {
        self.budget.cooled_down();
    }

    /// Restores the whole budget and the shortest delay, as an operator asked.
    pub(super) fn reset(&mut self) {
        self.apply_policy_change();
        self.budget.reset();
        self.backoff.reset();
    }

    /// Returns the state of the budget.
    pub(super) fn budget(&mut self, now: Instant) -> Budget {
        Budget { left: self.budget.remaining(now), used: self.budget.used(now) }
    }

    /// Records the exit of a child that ran for `ran`. An exit that an event is blamed for is not charged, since the event
    /// is soon taken away; any other is, since a child should live as long as its sink. One that has run well is started again
    /// at once.
    pub(super) fn child_ended(&mut self, now: Instant, ran: Duration, blames_event: bool) -> NextStart {
        self.apply_policy_change();
        if blames_event {
            return NextStart::AtOnce;
        }
        let ran_well = ran >= self.policy.settings().reset_after;
        if ran_well {
            self.budget.settled();
            self.backoff.reset();
        }
        match self.budget.charge(now) {
            ChargeOutcome::Allowed if ran_well => NextStart::AtOnce,
            ChargeOutcome::Allowed => NextStart::AfterBackoff(self.backoff.next_delay()),
            ChargeOutcome::Tripped(cooldown) => NextStart::AfterCooldown(cooldown),
        }
    }
}

#[cfg(test)]
mod tests {
    use matterhost_actors::policy::RestartSettings;

    use super::*;

    #[test]
    fn delays_grow_for_a_failing_child_and_reset_after_a_good_run() {
        let settings = RestartSettings { max_restarts: 2, random_factor: 0.0, ..RestartSettings::default() };
        let mut restarts =
            ChildRestarts::new(watch::Sender::new(RestartPolicy::new(settings).unwrap()).subscribe());
        let start = Instant::now();
        let mut exit = |at: u64, ran: u64| {
            restarts.child_started();
            restarts.child_ended(start + Duration::from_secs(at), Duration::from_secs(ran), false)
        };
        let cooldown = |times: u32| NextStart::AfterCooldown(settings.cooldown * times);
        assert!(matches!(exit(0, 0), NextStart::AfterBackoff(delay) if delay.as_secs() == 1));
        assert!(matches!(exit(1, 0), NextStart::AfterBackoff(delay) if delay.as_secs() == 2));
        assert_eq!(exit(2, 0), cooldown(1));
        assert_eq!(exit(400, 0), cooldown(2));
        assert_eq!(exit(2_000, 60), NextStart::AtOnce, "it had run well");
        assert!(matches!(exit(2_001, 0), NextStart::AfterBackoff(delay) if delay.as_secs() == 1));
    }
    #[test]
    fn exits_that_an_event_is_blamed_for_are_not_charged_and_delay_nothing() {
        let settings = RestartSettings { max_restarts: 2, random_factor: 0.0, ..RestartSettings::default() };
        let mut restarts =
            ChildRestarts::new(watch::Sender::new(RestartPolicy::new(settings).unwrap()).subscribe());
        for _ in 0..20 {
            restarts.child_started();
            let next = restarts.child_ended(Instant::now(), Duration::ZERO, true);
            assert_eq!(next, NextStart::AtOnce);
        }
        assert_eq!(restarts.budget(Instant::now()).used, 0);
    }
}
