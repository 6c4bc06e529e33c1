//! Lowers the level of repeated facts: an account that is disabled for a week, or polls that fail all night, fill a
//! line instead of a thousand. Each repetition is still logged at debug level.

use std::collections::HashMap;

use matterhost_actors::model::{AccountName, Fact, Observation, Subject};
use tracing::Level;

/// The last state of each hosted account that was logged.
#[derive(Debug, Default)]
pub(super) struct RepeatFilter(HashMap<AccountName, AccountHistory>);

#[derive(Debug, Default)]
struct AccountHistory {
    /// The reason of the last ending; cleared once a connection is ready.
    ending: Option<&'static str>,
    /// True if the last ending had the same reason as the one before.
    repeated_ending: bool,
    /// True if the last poll failed.
    poll_failed: bool,
}

impl RepeatFilter {
    /// Returns the level at which to log the observation.
    pub(super) fn level(&mut self, observation: &Observation, level: Level) -> Level {
        let Subject::Account(account, _) = &observation.subject else { return level };
        if observation.fact == Fact::Removed {
            self.0.remove(account);
            return level;
        }
        let repeated = match self.0.get_mut(account) {
            Some(last) => last.is_repeat(&observation.fact),
            None => self.0.entry(account.clone()).or_default().is_repeat(&observation.fact),
        };
        // Never raises the level.
        if repeated { level.max(Level::DEBUG) } else { level }
    }
}

impl AccountHistory {
    /// Records a fact and returns true if it repeats the previous state.
    fn is_repeat(&mut self, fact: &Fact) -> bool {
        match fact {
            Fact::Ready { .. } => {
                (self.ending, self.repeated_ending) = (None, false);
                false
            }
            // Charged endings consume the budget, so each is logged.
            Fact::Closed { reason, charged, .. } => {
                let before = self.ending.replace(reason.label());
                self.repeated_ending = !charged && before == Some(reason.label());
                self.poll_failed = false;
                self.repeated_ending
            }
            Fact::RestartScheduled { .. } => self.repeated_ending,
            Fact::ProbeGood { .. } => {
                self.poll_failed = false;
                false
            }
            Fact::ProbeFailed { .. } => std::mem::replace(&mut self.poll_failed, true),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use matterhost_actors::model::{CloseReason, Generation, ServerName};

    use super::*;

    fn observed(account: &str, fact: Fact) -> Observation {
        let subject = Subject::Account(AccountName::new(account).unwrap(), Generation(1));
        Observation { at: SystemTime::now(), server: ServerName::new("main").unwrap(), subject, fact }
    }

    fn closed(reason: CloseReason, charged: bool) -> Fact {
        Fact::Closed { reason, ready_for: None, charged }
    }

    fn level(repeats: &mut RepeatFilter, fact: Fact) -> Level {
        repeats.level(&observed("bot", fact), Level::WARN)
    }

    #[test]
    fn a_repeated_ending_is_logged_once_with_its_sequel() {
        let mut repeats = RepeatFilter::default();
        let scheduled = || Fact::RestartScheduled { after: Duration::ZERO, resume: false };
        let blocked = || closed(CloseReason::Unauthorized, false);
        for expected in [Level::WARN, Level::DEBUG, Level::DEBUG] {
            assert_eq!(level(&mut repeats, blocked()), expected);
            assert_eq!(level(&mut repeats, scheduled()), expected);
        }
        assert_eq!(repeats.level(&observed("other", blocked()), Level::WARN), Level::WARN, "another account");
        assert_eq!(level(&mut repeats, closed(CloseReason::Timeout, false)), Level::WARN, "another reason");
        level(&mut repeats, Fact::Ready { after: Duration::ZERO });
        assert_eq!(level(&mut repeats, closed(CloseReason::Timeout, false)), Level::WARN, "it was ready");
    }

    #[test]
    fn charged_endings_are_logged_each_time() {
        let mut repeats = RepeatFilter::default();
        for _ in 0..3 {
            assert_eq!(level(&mut repeats, closed(CloseReason::Panicked, true)), Level::WARN);
        }
    }

    #[test]
    fn failing_polls_are_logged_once_until_one_succeeds() {
        let mut repeats = RepeatFilter::default();
        let failed = || Fact::ProbeFailed { cause: "so".into() };
        assert_eq!(level(&mut repeats, failed()), Level::WARN);
        assert_eq!(level(&mut repeats, failed()), Level::DEBUG);
        let good = repeats.level(&observed("bot", Fact::ProbeGood { took: Duration::ZERO }), Level::TRACE);
        assert_eq!(good, Level::TRACE);
        assert_eq!(level(&mut repeats, failed()), Level::WARN);
    }

    #[test]
    fn an_account_that_is_removed_is_forgotten() {
        let mut repeats = RepeatFilter::default();
        level(&mut repeats, closed(CloseReason::Timeout, false));
        level(&mut repeats, Fact::Removed);
        assert!(repeats.0.is_empty());
    }
}
