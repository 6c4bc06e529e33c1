//! What happens to a request before its route sees it: counting, the rate limit, faults.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use hyper::StatusCode;

use crate::fault::{FaultKind, FaultSubject};
use crate::rest::rate_limit::{Quota, too_many_requests};
use crate::rest::response::{ApiResponse, unauthorized};
use crate::state::State;
use crate::wire::reply::AppError;
use crate::world::ids::new_id;

/// What the gate found.
#[derive(Debug, Default)]
pub(crate) struct Interception {
    /// Answer this and let no route see the request.
    pub(crate) answer: Option<ApiResponse>,
    /// Wait this long first.
    pub(crate) slow: Option<Duration>,
    /// Go silent instead.
    pub(crate) silent: bool,
    pub(crate) quota: Option<Quota>,
}

impl State {
    /// Holds a request against the rate limit and the faults.
    pub(crate) fn intercept(&mut self, address: IpAddr, subject: &FaultSubject<'_>) -> Interception {
        let route = subject.route.unwrap_or("unknown");
        self.counters.request(route, subject.user);
        let mut interception = Interception {
            silent: self.faults.is_on(subject, |k| *k == FaultKind::Silence),
            ..Interception::default()
        };
        if let Some(FaultKind::Slow(delay)) =
            self.faults.trigger(subject, |k| matches!(k, FaultKind::Slow(_)))
        {
            interception.slow = Some(delay);
        }
        if let Some(limiter) = &mut self.limiter {
            let quota = limiter.check(address, Instant::now());
            interception.quota = Some(quota);
            if let Some(retry_after) = quota.retry_after {
                self.counters.rate_limited += 1;
                interception.answer = Some(too_many_requests(retry_after));
                return interception;
            }
        }
        interception.answer = self.faults.trigger(subject, answers).and_then(|kind| self.fake(kind));
        interception
    }

    fn fake(&mut self, kind: FaultKind) -> Option<ApiResponse> {
        let plain =
            |content_type, body: &str| ApiResponse::new(StatusCode::OK, content_type, body.to_owned());
        Some(match kind {
            FaultKind::Unauthorized => self.error_response(unauthorized()),
            FaultKind::ServerError => {
                let text = "An unexpected error occurred.";
                self.error_response(AppError::new("app.unexpected.app_error", text, 500))
            }
            FaultKind::TooManyRequests { retry_after } => too_many_requests(retry_after)
                .header("X-Ratelimit-Limit", &1)
                .header("X-Ratelimit-Remaining", &0)
                .header("X-Ratelimit-Reset", &retry_after),
            FaultKind::Garbage => plain("application/json", "\u{fffd}{]garbage"),
            FaultKind::Html => plain("text/html", "<!doctype html><title>Sign in</title>"),
            FaultKind::Redirect(to) => {
                ApiResponse::new(StatusCode::FOUND, "text/html", String::new()).header("Location", &to)
            }
            _ => return None,
        })
    }

    /// An error as REST answers it, with a request id.
    pub(crate) fn error_response(&mut self, mut error: AppError) -> ApiResponse {
        error.request_id = Some(new_id(&mut self.random));
        ApiResponse::error(&error)
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
