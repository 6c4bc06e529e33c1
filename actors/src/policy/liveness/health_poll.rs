//! The poll of `/users/me`, which compares `update_at` with the Connection's baseline.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, Instant},
};

use crate::model::{AccountName, CloseReason, UserId};

/// The delay before a 401 is verified by a second poll. A poll in between, because something was seen to change, does not
/// verify it.
const RECHECK_AFTER: Duration = Duration::from_secs(1);

/// The result of a poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PollResult {
    /// 304: nothing changed (fact 9).
    Unmodified,
    /// 200: the user.
    User {
        /// The owner of the token.
        id: UserId,
        /// `update_at`, in server milliseconds.
        update_at: i64,
    },
    /// 401: the token was refused.
    Unauthorized,
    /// A network error, a 5xx, a 429 or an unreadable body: the poll failed, which says nothing about the account.
    Failed,
}

/// The consequence of a poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PollVerdict {
    /// All is well: poll again after the interval.
    Healthy,
    /// Nothing is known: poll again after the interval.
    Inconclusive,
    /// Poll again after the delay to verify the result.
    Recheck(Duration),
    /// End the Connection.
    Terminate(CloseReason),
}

/// The reference values of a HealthCheck, and its state.
#[derive(Debug)]
pub(crate) struct HealthPoll {
    user: UserId,
    baseline: i64,
    /// The time of the first of the 401s that came last.
    refused_at: Option<Instant>,
}

impl HealthPoll {
    /// Creates a check against the user and the `update_at` that were seen before connecting.
    pub(crate) fn new(user: UserId, baseline: i64) -> Self {
        Self { user, baseline, refused_at: None }
    }

    /// Raises the reference value after a change that needs no new Connection.
    pub(crate) fn raise_baseline(&mut self, update_at: i64) {
        self.baseline = self.baseline.max(update_at);
    }

    /// Returns the consequence of a poll's result.
    pub(crate) fn judge(&mut self, now: Instant, result: &PollResult) -> PollVerdict {
        let refused_at = self.refused_at.take();
        match result {
            PollResult::Unauthorized => self.refused(now, refused_at.unwrap_or(now)),
            PollResult::Failed => PollVerdict::Inconclusive,
            PollResult::Unmodified => PollVerdict::Healthy,
            PollResult::User { id, .. } if *id != self.user => {
                let (was, now) = (self.user.clone(), id.clone());
                PollVerdict::Terminate(CloseReason::IdentityChanged { was, now })
            }
            PollResult::User { update_at, .. } if *update_at != self.baseline => {
                PollVerdict::Terminate(CloseReason::Stale { baseline: self.baseline, seen: *update_at })
            }
            PollResult::User { .. } => PollVerdict::Healthy,
        }
    }

    fn refused(&mut self, now: Instant, since: Instant) -> PollVerdict {
        let left = RECHECK_AFTER.saturating_sub(now.saturating_duration_since(since));
        if left.is_zero() {
            return PollVerdict::Terminate(CloseReason::Unauthorized);
        }
        self.refused_at = Some(since);
        PollVerdict::Recheck(left)
    }
}

/// Returns the delay of an account's first poll: spread over the interval by its name, so that accounts that start
/// together do not poll together.
pub(crate) fn spread_delay(account: &AccountName, interval: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    account.hash(&mut hasher);
    let share = (hasher.finish() % 10_000) as u32;
    interval * share / 10_000
}

/// Returns the shortest interval, not below the given one, at which the accounts' polls use at most half of the
/// server's rate.
pub(crate) fn stretched_interval(interval: Duration, accounts: usize, requests_per_second: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "a host has fewer than 2^52 accounts")]
    let shortest = accounts as f64 / (requests_per_second / 2.0);
    Duration::try_from_secs_f64(shortest).map_or(interval, |shortest| interval.max(shortest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str, update_at: i64) -> PollResult {
        PollResult::User { id: id.into(), update_at }
    }

    #[test]
    fn each_finding_has_its_verdict() {
        let stale = CloseReason::Stale { baseline: 7, seen: 8 };
        let other = CloseReason::IdentityChanged { was: "me".into(), now: "you".into() };
        for (result, verdict) in [
            (PollResult::Unmodified, PollVerdict::Healthy),
            (user("me", 7), PollVerdict::Healthy),
            (user("me", 8), PollVerdict::Terminate(stale)),
            (user("me", 6), PollVerdict::Terminate(CloseReason::Stale { baseline: 7, seen: 6 })),
            (user("you", 7), PollVerdict::Terminate(other)),
            (PollResult::Failed, PollVerdict::Inconclusive),
            (PollResult::Unauthorized, PollVerdict::Recheck(RECHECK_AFTER)),
        ] {
            assert_eq!(HealthPoll::new("me".into(), 7).judge(Instant::now(), &result), verdict, "{result:?}");
        }
    }

    #[test]
    fn a_raised_baseline_is_no_drift_and_never_goes_back() {
        let mut health = HealthPoll::new("me".into(), 7);
        health.raise_baseline(8);
        health.raise_baseline(5);
        assert_eq!(health.judge(Instant::now(), &user("me", 8)), PollVerdict::Healthy);
        let stale = CloseReason::Stale { baseline: 8, seen: 7 };
        assert_eq!(health.judge(Instant::now(), &user("me", 7)), PollVerdict::Terminate(stale));
    }

    #[test]
    fn a_401_is_believed_only_when_it_comes_twice_in_a_row() {
        let (mut health, now) = (HealthPoll::new("me".into(), 7), Instant::now());
        for between in [PollResult::Unmodified, PollResult::Failed, user("me", 7)] {
            let refused = health.judge(now, &PollResult::Unauthorized);
            assert_eq!(refused, PollVerdict::Recheck(RECHECK_AFTER));
            health.judge(now + RECHECK_AFTER, &between);
        }
        let mut after = |time| health.judge(now + time, &PollResult::Unauthorized);
        assert_eq!(after(Duration::ZERO), PollVerdict::Recheck(RECHECK_AFTER));
        let soon = RECHECK_AFTER / 4;
        assert_eq!(after(soon), PollVerdict::Recheck(soon * 3), "it is no second opinion yet");
        assert_eq!(after(RECHECK_AFTER), PollVerdict::Terminate(CloseReason::Unauthorized));
    }

    #[test]
    fn first_polls_are_spread_over_the_interval() {
        let interval = Duration::from_secs(30);
        let mut tenths = [0u32; 10];
        for n in 0..1_000 {
            let account = AccountName::new(&format!("bot-{n}")).unwrap();
            let after = spread_delay(&account, interval);
            assert!(after < interval);
            tenths[(after.as_millis() / 3_000) as usize] += 1;
        }
        assert!(tenths.iter().all(|n| *n > 50), "{tenths:?}");
    }

    #[test]
    fn polls_take_at_most_half_the_rate() {
        let seconds = Duration::from_secs;
        assert_eq!(stretched_interval(seconds(30), 750, 50.0), seconds(30));
        assert_eq!(stretched_interval(seconds(30), 1_000, 50.0), seconds(40));
        assert_eq!(stretched_interval(seconds(30), 10_000, 50.0), seconds(400));
        assert_eq!(stretched_interval(seconds(30), 10, 0.0), seconds(30), "no rate is known");
    }
}
