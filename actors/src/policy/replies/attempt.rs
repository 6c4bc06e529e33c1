use std::time::{Duration, Instant};

use crate::policy::{Backoff, Delays};

/// The delays between attempts: short at first, because most failures pass at once, and frequent enough within the
/// deadline of a reply.
const DELAYS: Delays =
    Delays { min: Duration::from_millis(250), max: Duration::from_secs(10), random_factor: 0.2 };

/// The next step of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyStep {
    /// Check if it was carried out already.
    Search,
    /// Send it.
    Send,
}

/// The failure of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestFailure {
    /// The server refused it, and would refuse it again.
    Refused,
    /// It was certainly not carried out.
    NotDone {
        /// The wait that the server asked for.
        retry_after: Option<Duration>,
    },
    /// It may have been carried out.
    Uncertain,
}

/// The reason for which a request is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GiveUpReason {
    /// The server refused it.
    Refused,
    /// The deadline passed.
    TimedOut {
        /// True if it may have been carried out.
        maybe_done: bool,
    },
}

/// The retries of a request that changes something.
///
/// A request that may have been carried out is searched for before it is sent again, if it can be searched for at
/// all. The same `pending_post_id` covers what a search cannot see: a post that is being created, and a lagging
/// replica (facts 19, 24). It would not be enough alone: it is valid for 30 s, on one node of a cluster.
#[derive(Debug)]
pub(crate) struct RequestRetry {
    deadline: Instant,
    delays: Backoff,
    /// True if the result of the request can be searched for.
    findable: bool,
    /// True if it may have been carried out: earlier, by another process, or by an attempt whose answer was lost.
    must_look: bool,
    maybe_done: bool,
}

impl RequestRetry {
    /// Creates a request that is harmless to repeat or cannot be searched for.
    pub(crate) fn idempotent(deadline: Instant) -> Self {
        Self { deadline, delays: Backoff::new(DELAYS), findable: false, must_look: false, maybe_done: false }
    }

    /// Creates a request that must not be carried out twice and can be searched for; `done_before` if it may have
    /// been carried out before.
    pub(crate) fn at_most_once(deadline: Instant, done_before: bool) -> Self {
        Self { findable: true, must_look: done_before, ..Self::idempotent(deadline) }
    }

    /// Returns the next step.
    pub(crate) fn next_step(&self) -> ReplyStep {
        if self.must_look { ReplyStep::Search } else { ReplyStep::Send }
    }

    /// Records that a search found nothing.
    pub(crate) fn not_found(&mut self) {
        (self.must_look, self.maybe_done) = (false, false);
    }

    /// Records a failed step, and returns the delay before the next.
    ///
    /// # Errors
    /// If there is no next step: the reason.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        step: ReplyStep,
        failure: RequestFailure,
    ) -> Result<Duration, GiveUpReason> {
        let asked = match failure {
            RequestFailure::Refused => return Err(GiveUpReason::Refused),
            RequestFailure::NotDone { retry_after } => retry_after.unwrap_or_default(),
            RequestFailure::Uncertain => Duration::ZERO,
        };
        if step == ReplyStep::Send && failure == RequestFailure::Uncertain {
            self.maybe_done = true;
            self.must_look = self.findable;
        }
        let wait = self.delays.next_delay().max(asked);
        if now + wait >= self.deadline { Err(self.timed_out()) } else { Ok(wait) }
    }

    /// True if it may have been carried out by an attempt whose outcome is not known.
    pub(crate) fn is_maybe_done(&self) -> bool {
        self.maybe_done
    }

    /// Returns the reason for a passed deadline.
    pub(crate) fn timed_out(&self) -> GiveUpReason {
        GiveUpReason::TimedOut { maybe_done: self.maybe_done }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NOT_DONE: RequestFailure = RequestFailure::NotDone { retry_after: None };

    #[test]
    fn a_possibly_completed_request_is_searched_for_first() {
        let now = Instant::now();
        for (done_before, failure, next) in [
            (false, NOT_DONE, ReplyStep::Send),
            (false, RequestFailure::Uncertain, ReplyStep::Search),
            (true, NOT_DONE, ReplyStep::Search),
            (true, RequestFailure::Uncertain, ReplyStep::Search),
        ] {
            let mut retry = RequestRetry::at_most_once(now + 60 * SECOND, done_before);
            let first = retry.next_step();
            assert_eq!(first, if done_before { ReplyStep::Search } else { ReplyStep::Send });
            retry.failed(now, first, failure).unwrap();
            assert_eq!(retry.next_step(), next, "{done_before} {failure:?}");
        }
    }

    #[test]
    fn a_failed_search_adds_no_uncertainty() {
        let now = Instant::now();
        let mut retry = RequestRetry::at_most_once(now + SECOND, true);
        let failed = retry.failed(now + SECOND, ReplyStep::Search, RequestFailure::Uncertain);
        assert_eq!(failed, Err(GiveUpReason::TimedOut { maybe_done: false }));
        retry.not_found();
        let failed = retry.failed(now + SECOND, ReplyStep::Send, RequestFailure::Uncertain);
        assert_eq!(failed, Err(GiveUpReason::TimedOut { maybe_done: true }));
    }

    #[test]
    fn an_action_that_cannot_be_searched_for_is_repeated() {
        let now = Instant::now();
        let mut retry = RequestRetry::idempotent(now + 60 * SECOND);
        retry.failed(now, ReplyStep::Send, RequestFailure::Uncertain).unwrap();
        assert_eq!(retry.next_step(), ReplyStep::Send);
    }

    #[test]
    fn the_server_says_how_long_to_wait_and_the_deadline_holds() {
        let now = Instant::now();
        let mut retry = RequestRetry::at_most_once(now + 60 * SECOND, false);
        let wait = RequestFailure::NotDone { retry_after: Some(7 * SECOND) };
        assert_eq!(retry.failed(now, ReplyStep::Send, wait), Ok(7 * SECOND));
        let wait = RequestFailure::NotDone { retry_after: Some(60 * SECOND) };
        assert_eq!(
            retry.failed(now, ReplyStep::Send, wait),
            Err(GiveUpReason::TimedOut { maybe_done: false })
        );
        assert_eq!(retry.failed(now, ReplyStep::Send, RequestFailure::Refused), Err(GiveUpReason::Refused));
    }

    proptest! {
        /// For any sequence of failures: the request is never sent while it may have been carried out, and it ends
        /// in time.
        #[test]
        fn it_is_never_sent_in_doubt(before in any::<bool>(), troubles in proptest::collection::vec(0u8..4, 1..200)) {
            let start = Instant::now();
            let mut retry = RequestRetry::at_most_once(start + 120 * SECOND, before);
            let (mut now, mut doubt) = (start, before);
            for failure in troubles {
                let step = retry.next_step();
                prop_assert!(step == ReplyStep::Search || !doubt);
                if step == ReplyStep::Search && failure == 3 {
                    retry.not_found();
                    doubt = false;
                    continue;
                }
                let failure = if failure == 0 { NOT_DONE } else { RequestFailure::Uncertain };
                doubt |= step == ReplyStep::Send && failure == RequestFailure::Uncertain;
                match retry.failed(now, step, failure) {
                    Ok(wait) => now += wait,
                    Err(_) => break,
                }
                prop_assert!(now < start + 120 * SECOND);
            }
        }
    }
}
