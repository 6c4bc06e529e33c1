//! What goes on is told once: an account that is disabled for a week, or polls that fail all night, are one line, not a
//! thousand. Each time is still told at the level of debugging.

use std::collections::HashMap;

use matterhost_actors::model::{AccountName, Fact, Observation, Subject};
use tracing::Level;

/// What was told of each account last. As many as are hosted.
#[derive(Debug, Default)]
pub(super) struct RepeatFilter(HashMap<AccountName, Last>);

#[derive(Debug, Default)]
struct Last {
    /// Why the last Connection ended, until one is ready.
    ending: Option<&'static str>,
    /// The last ending was of the same kind as the one before.
    again: bool,
    /// The last poll failed.
    poll_failed: bool,
}

impl RepeatFilter {
    /// The level at which it is told.
    pub(super) fn level(&mut self, observation: &Observation, level: Level) -> Level {
        let Subject::Account(account, _) = &observation.subject else { return level };
        if observation.fact == Fact::Removed {
            self.0.remove(account);
            return level;
        }
        let repeated = match self.0.get_mut(account) {
            Some(last) => last.repeats(&observation.fact),
            None => self.0.entry(account.clone()).or_default().repeats(&observation.fact),
        };
        // The lesser of the two: what is told at a finer level stays there.
        if repeated { level.max(Level::DEBUG) } else { level }
    }
}

impl Last {
    /// Takes note of a fact; says whether it only goes on with what was told before.
    fn repeats(&mut self, fact: &Fact) -> bool {
        match fact {
            Fact::Ready { .. } => {
                (self.ending, self.again) = (None, false);
                false
            }
            // What is charged leads somewhere.
            Fact::Closed { reason, charged, .. } => {
                let before = self.ending.replace(reason.label());
                self.again = !charged && before == Some(reason.label());
                self.poll_failed = false;
                self.again
            }
            Fact::RestartScheduled { .. } => self.again,
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
    fn an_ending_that_goes_on_is_told_once_with_what_follows() {
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
    fn what_is_charged_is_told_each_time() {
        let mut repeats = RepeatFilter::default();
        for _ in 0..3 {
            assert_eq!(level(&mut repeats, closed(CloseReason::Panicked, true)), Level::WARN);
        }
    }

    #[test]
    fn polls_that_fail_are_told_once_until_one_is_good() {
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
