//! The consequence and the cost of each [`CloseReason`].

use std::time::Duration;

use crate::model::CloseReason;

/// The circumstances of a Connection's end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RunSummary {
    /// The time for which it was ready, excluding pauses of our own reading; `None` if it never was.
    pub(crate) ready_for: Option<Duration>,
    /// True if our own reading was paused at the end or just before: the cause is a slow sink, not the server.
    pub(crate) reading_paused: bool,
    /// True if the server dropped other accounts too, or is down: the account is not to blame.
    pub(crate) common_cause: bool,
    /// True if a proxy ends the server's sockets like this again and again.
    pub(crate) proxy_lifetime: bool,
    /// The age of its socket at the end; `None` if it was never ready.
    pub(crate) age: Option<Duration>,
    /// The time since the last frame in either direction.
    pub(crate) quiet: Duration,
}

/// The rule by which an ending is charged to the restart budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChargeRule {
    /// Never.
    Never,
    /// If the Connection was ready for less than `reset_after`: the account is flapping.
    IfFlapping,
    /// Always.
    Always,
}

/// The consequence of an ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// Stop until the operator starts the account.
    Stop,
    /// Start a new Connection at once.
    RestartNow {
        /// True if it may resume.
        resume: bool,
    },
    /// Start a new Connection after `min_backoff`, doubling while such endings follow each other; never resume.
    Recycle,
    /// Poll slowly as blocked.
    PollBlocked,
    /// Poll slowly as misconfigured.
    PollMisconfigured,
    /// Start a new Connection after a growing delay.
    Backoff {
        /// The rule by which the ending is charged.
        charge: ChargeRule,
        /// True if the next Connection may resume.
        resume: bool,
        /// The minimum wait that the server asked for.
        at_least: Option<Duration>,
    },
    /// Move the account to another Arbiter at once.
    MoveArbiter,
}

/// Returns the consequence of an ending.
pub(crate) fn consequence(reason: &CloseReason, run: RunSummary) -> Consequence {
    use CloseReason as R;
    match reason {
        R::OperatorStop | R::Removed | R::Shutdown | R::IdentityChanged { .. } => Consequence::Stop,
        R::ConfigChanged | R::OperatorRestart => Consequence::RestartNow { resume: false },
        R::Stale { .. } | R::Deaf { .. } | R::AuditHole { .. } => Consequence::Recycle,
        R::Unauthorized => Consequence::PollBlocked,
        R::Misconfigured { .. } => Consequence::PollMisconfigured,
        R::RateLimited { retry_after } => backoff(ChargeRule::Never, false, *retry_after),
        R::Unreachable { .. }
        | R::Timeout
        | R::ServerError { .. }
        | R::HelloOverdue
        | R::DroppedBeforeReady
        | R::CatchUpFailed { .. }
        | R::Oversized { .. } => backoff(ChargeRule::Never, false, None),
        R::Dropped { .. } | R::Closed { .. } if run.proxy_lifetime => {
            Consequence::RestartNow { resume: true }
        }
        R::Dropped { .. } | R::Closed { .. } | R::Silent if run.reading_paused || run.common_cause => {
            backoff(ChargeRule::Never, true, None)
        }
        R::Dropped { .. } | R::Closed { .. } | R::Silent => backoff(ChargeRule::IfFlapping, true, None),
        R::Protocol { .. } | R::Panicked | R::HealthCheckDied | R::SinkBroken { .. } | R::DeliveryDied => {
            backoff(ChargeRule::Always, false, None)
        }
        R::ArbiterDied => Consequence::MoveArbiter,
    }
}

fn backoff(charge: ChargeRule, resume: bool, at_least: Option<Duration>) -> Consequence {
    Consequence::Backoff { charge, resume, at_least }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Misconfiguration;

    fn cause() -> crate::model::Excerpt {
        "x".into()
    }

    /// The table of the design, row by row.
    #[test]
    fn each_row_of_the_table() {
        use CloseReason as R;
        let free = backoff(ChargeRule::Never, false, None);
        let fault = backoff(ChargeRule::Always, false, None);
        let flapping = backoff(ChargeRule::IfFlapping, true, None);
        let minute = Some(Duration::from_secs(60));
        let rows = [
            (R::OperatorStop, Consequence::Stop),
            (R::Removed, Consequence::Stop),
            (R::Shutdown, Consequence::Stop),
            (R::ConfigChanged, Consequence::RestartNow { resume: false }),
            (R::OperatorRestart, Consequence::RestartNow { resume: false }),
            (R::Stale { baseline: 1, seen: 2 }, Consequence::Recycle),
            (R::Deaf { error: cause() }, Consequence::Recycle),
            (R::AuditHole { channel: "c".into(), post: "p".into() }, Consequence::Recycle),
            (R::Unauthorized, Consequence::PollBlocked),
            (
                R::Misconfigured { what: Misconfiguration::Tls, cause: String::new() },
                Consequence::PollMisconfigured,
            ),
            (
                R::Misconfigured { what: Misconfiguration::NotFound, cause: "x".into() },
                Consequence::PollMisconfigured,
            ),
            (R::IdentityChanged { was: "a".into(), now: "b".into() }, Consequence::Stop),
            (R::Unreachable { cause: cause() }, free),
            (R::Timeout, free),
            (R::ServerError { status: 503 }, free),
            (R::RateLimited { retry_after: minute }, backoff(ChargeRule::Never, false, minute)),
            (R::HelloOverdue, free),
            (R::DroppedBeforeReady, free),
            (R::CatchUpFailed { cause: cause() }, free),
            (R::Dropped { cause: cause() }, flapping),
            (R::Closed { code: Some(1001) }, flapping),
            (R::Silent, flapping),
            (R::Oversized { limit: 1 }, free),
            (R::Protocol { cause: cause() }, fault),
            (R::Panicked, fault),
            (R::HealthCheckDied, fault),
            (R::SinkBroken { cause: cause() }, fault),
            (R::DeliveryDied, fault),
            (R::ArbiterDied, Consequence::MoveArbiter),
        ];
        for (reason, expected) in rows {
            assert_eq!(consequence(&reason, RunSummary::default()), expected, "{reason}");
        }
    }

    #[test]
    fn a_drop_while_our_own_reading_was_paused_or_with_others_is_free() {
        let paused = RunSummary { reading_paused: true, ..RunSummary::default() };
        let shared = RunSummary { common_cause: true, ..RunSummary::default() };
        let proxy = RunSummary { proxy_lifetime: true, ..shared };
        assert_eq!(
            consequence(&CloseReason::Closed { code: None }, proxy),
            Consequence::RestartNow { resume: true }
        );
        for reason in
            [CloseReason::Silent, CloseReason::Closed { code: None }, CloseReason::Dropped { cause: cause() }]
        {
            assert_eq!(consequence(&reason, paused), backoff(ChargeRule::Never, true, None), "{reason}");
            assert_eq!(consequence(&reason, shared), backoff(ChargeRule::Never, true, None), "{reason}");
        }
    }
}
