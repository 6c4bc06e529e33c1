//! What happens to a request before its route sees it: counting, the rate limit, faults.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use hyper::StatusCode;

use crate::fault::{FaultKind, Subject};
use crate::rest::answer::{Answer, unauthorized};
use crate::rest::limit::{Quota, too_many};
use crate::state::State;
use crate::wire::reply::AppError;
use crate::world::ids::new_id;

/// What the gate found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Answer this and let no route see the request.
    pub(crate) answer: Option<Answer>,
    /// Wait this long first.
    pub(crate) slow: Option<Duration>,
    /// Go silent instead.
    pub(crate) silent: bool,
    pub(crate) quota: Option<Quota>,
}

impl State {
    /// Holds a request against the rate limit and the faults.
    pub(crate) fn judge(&mut self, address: IpAddr, subject: &Subject<'_>) -> Verdict {
        let route = subject.route.unwrap_or("unknown");
        self.counters.request(route, subject.user);
        let mut verdict = Verdict {
            silent: self.faults.is_on(subject, |k| *k == FaultKind::Silence),
            ..Verdict::default()
        };
        if let Some(FaultKind::Slow(delay)) = self.faults.strike(subject, |k| matches!(k, FaultKind::Slow(_)))
        {
            verdict.slow = Some(delay);
        }
        if let Some(limiter) = &mut self.limiter {
            let quota = limiter.ask(address, Instant::now());
            verdict.quota = Some(quota);
            if let Some(retry_after) = quota.retry_after {
                self.counters.rate_limited += 1;
                verdict.answer = Some(too_many(retry_after));
                return verdict;
            }
        }
        verdict.answer = self.faults.strike(subject, answers).and_then(|kind| self.fake(kind));
        verdict
    }

    fn fake(&mut self, kind: FaultKind) -> Option<Answer> {
        let plain = |content_type, body: &str| Answer::new(StatusCode::OK, content_type, body.to_owned());
        Some(match kind {
            FaultKind::Unauthorized => self.failure(unauthorized()),
            FaultKind::ServerError => {
                let text = "An unexpected error occurred.";
                self.failure(AppError::new("app.unexpected.app_error", text, 500))
            }
            FaultKind::TooManyRequests { retry_after } => too_many(retry_after)
                .header("X-Ratelimit-Limit", &1)
                .header("X-Ratelimit-Remaining", &0)
                .header("X-Ratelimit-Reset", &retry_after),
            FaultKind::Garbage => plain("application/json", "\u{fffd}{]garbage"),
            FaultKind::Html => plain("text/html", "<!doctype html><title>Sign in</title>"),
            FaultKind::Redirect(to) => {
                Answer::new(StatusCode::FOUND, "text/html", String::new()).header("Location", &to)
            }
            _ => return None,
        })
    }

    /// An error as REST answers it, with a request id.
    pub(crate) fn failure(&mut self, mut error: AppError) -> Answer {
        error.request_id = Some(new_id(&mut self.random));
        Answer::error(&error)
    }
}

fn answers(kind: &FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::Unauthorized
            | FaultKind::ServerError
            | FaultKind::TooManyRequests { .. }
            | FaultKind::Garbage
            | FaultKind::Html
            | FaultKind::Redirect(_)
    )
}
