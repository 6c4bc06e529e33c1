//! One request that changes something, until it is done: what to do next, and when to give up.

use std::time::{Duration, Instant};

use crate::policy::{Backoff, Delays};

/// From one try to the next: soon at first, for most of it is over at once; and often enough within the patience for
/// one reply.
const DELAYS: Delays =
    Delays { min: Duration::from_millis(250), max: Duration::from_secs(10), random_factor: 0.2 };

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Look whether it was done already.
    Look,
    /// Do it.
    Send,
}

/// What stood in the way of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The server refuses it: the same again is refused again.
    Refused,
    /// It was not done, for certain.
    NotDone {
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// It may have been done.
    Unsure,
}

/// It is not tried any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GaveUp {
    /// The server refused it.
    Refused,
    /// The time is over.
    TooLate {
        /// Whether it may have been done.
        unsure: bool,
    },
}

/// One request that changes something.
///
/// What may have been done is looked for before it is asked for again, where it can be looked for at all. That it is
/// asked for with the same `pending_post_id` covers what a look does not see: a post that is just being made, and a
/// replica that lags (facts 19, 24). That alone would not do: it holds for 30 s, and on one node of a cluster.
#[derive(Debug)]
pub struct Attempt {
    deadline: Instant,
    delays: Backoff,
    /// It can be looked for.
    findable: bool,
    /// It may have been done: before, by another process, or by a try whose answer was lost.
    must_look: bool,
    unsure: bool,
}

impl Attempt {
    /// A request whose doing again is harmless, or that cannot be looked for.
    pub fn repeatable(deadline: Instant) -> Self {
        Self { deadline, delays: Backoff::new(DELAYS), findable: false, must_look: false, unsure: false }
    }

    /// A request that must not be done twice and can be looked for; whether it may have been done before.
    pub fn once(deadline: Instant, done_before: bool) -> Self {
        Self { findable: true, must_look: done_before, ..Self::repeatable(deadline) }
    }

    /// What to do now.
    pub fn next(&self) -> Step {
        if self.must_look { Step::Look } else { Step::Send }
    }

    /// It was looked for, and not found.
    pub fn not_found(&mut self) {
        (self.must_look, self.unsure) = (false, false);
    }

    /// A step failed. Gives the wait before the next.
    ///
    /// # Errors
    /// When there is no next.
    pub fn failed(&mut self, now: Instant, step: Step, trouble: Trouble) -> Result<Duration, GaveUp> {
        let asked = match trouble {
            Trouble::Refused => return Err(GaveUp::Refused),
            Trouble::NotDone { retry_after } => retry_after.unwrap_or_default(),
            Trouble::Unsure => Duration::ZERO,
        };
        if step == Step::Send && trouble == Trouble::Unsure {
            self.unsure = true;
            self.must_look = self.findable;
        }
        let wait = self.delays.next_delay().max(asked);
        if now + wait >= self.deadline { Err(self.too_late()) } else { Ok(wait) }
    }

    /// The time is over.
    pub fn too_late(&self) -> GaveUp {
        GaveUp::TooLate { unsure: self.unsure }
    }

    /// When it is given up.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NOT_DONE: Trouble = Trouble::NotDone { retry_after: None };

    #[test]
    fn what_may_have_been_done_is_looked_for_first() {
        let now = Instant::now();
        for (done_before, trouble, next) in [
            (false, NOT_DONE, Step::Send),
            (false, Trouble::Unsure, Step::Look),
            (true, NOT_DONE, Step::Look),
            (true, Trouble::Unsure, Step::Look),
        ] {
            let mut attempt = Attempt::once(now + 60 * SECOND, done_before);
            let first = attempt.next();
            assert_eq!(first, if done_before { Step::Look } else { Step::Send });
            attempt.failed(now, first, trouble).unwrap();
            assert_eq!(attempt.next(), next, "{done_before} {trouble:?}");
        }
    }

    #[test]
    fn a_look_that_fails_leaves_no_doubt_of_its_own() {
        let now = Instant::now();
        let mut attempt = Attempt::once(now + SECOND, true);
        let failed = attempt.failed(now + SECOND, Step::Look, Trouble::Unsure);
        assert_eq!(failed, Err(GaveUp::TooLate { unsure: false }));
        attempt.not_found();
        let failed = attempt.failed(now + SECOND, Step::Send, Trouble::Unsure);
        assert_eq!(failed, Err(GaveUp::TooLate { unsure: true }));
    }

    #[test]
    fn what_cannot_be_looked_for_is_done_again() {
        let now = Instant::now();
        let mut attempt = Attempt::repeatable(now + 60 * SECOND);
        attempt.failed(now, Step::Send, Trouble::Unsure).unwrap();
        assert_eq!(attempt.next(), Step::Send);
    }

    #[test]
    fn the_server_says_how_long_to_wait_and_the_deadline_holds() {
        let now = Instant::now();
        let mut attempt = Attempt::once(now + 60 * SECOND, false);
        let wait = Trouble::NotDone { retry_after: Some(7 * SECOND) };
        assert_eq!(attempt.failed(now, Step::Send, wait), Ok(7 * SECOND));
        let wait = Trouble::NotDone { retry_after: Some(60 * SECOND) };
        assert_eq!(attempt.failed(now, Step::Send, wait), Err(GaveUp::TooLate { unsure: false }));
        assert_eq!(attempt.failed(now, Step::Send, Trouble::Refused), Err(GaveUp::Refused));
    }

    proptest! {
        /// Whatever fails in whatever order: it is never sent while it may have been done, and it ends in time.
        #[test]
        fn it_is_never_sent_in_doubt(before in any::<bool>(), troubles in proptest::collection::vec(0u8..4, 1..200)) {
            let start = Instant::now();
            let mut attempt = Attempt::once(start + 120 * SECOND, before);
            let (mut now, mut doubt) = (start, before);
            for trouble in troubles {
                let step = attempt.next();
                prop_assert!(step == Step::Look || !doubt);
                if step == Step::Look && trouble == 3 {
                    attempt.not_found();
                    doubt = false;
                    continue;
                }
                let trouble = if trouble == 0 { NOT_DONE } else { Trouble::Unsure };
                doubt |= step == Step::Send && trouble == Trouble::Unsure;
                match attempt.failed(now, step, trouble) {
                    Ok(wait) => now += wait,
                    Err(_) => break,
                }
                prop_assert!(now < start + 120 * SECOND);
            }
        }
    }
}
