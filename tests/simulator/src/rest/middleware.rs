//! The steps before and after a route: counting, the rate limit, faults.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::Value;

use crate::fault::{FaultKind, FaultSubject};
use crate::rest::channels::no_channel;
use crate::rest::rate_limit::{Quota, too_many_requests};
use crate::rest::response::{ApiResponse, forbidden, unauthorized};
use crate::state::State;
use crate::wire::json::to_text;
use crate::wire::reply::AppError;
use crate::world::ids::new_id;

/// The result of holding a request against the rate limit and the faults.
#[derive(Debug, Default)]
pub(crate) struct Interception {
    /// Answer this and let no route see the request.
    pub(crate) answer: Option<ApiResponse>,
    /// Wait this long first.
    pub(crate) slow: Option<Duration>,
    /// Go silent instead.
    pub(crate) silent: bool,
    /// Send an interim answer first.
    pub(crate) early_hints: bool,
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
        interception.early_hints = self.faults.trigger(subject, |k| *k == FaultKind::EarlyHints).is_some();
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
            FaultKind::Forbidden => self.error_response(forbidden()),
            FaultKind::NotFound => self.error_response(no_channel()),
            FaultKind::ProxyPage(status) => ApiResponse::new(
                StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY),
                "text/html",
                "<!doctype html><title>The proxy says no</title>".to_owned(),
            ),
            FaultKind::Garbage => plain("application/json", "\u{fffd}{]garbage"),
            FaultKind::Html => plain("text/html", "<!doctype html><title>Sign in</title>"),
            FaultKind::Redirect(to) => {
                ApiResponse::new(StatusCode::FOUND, "text/html", String::new()).header("Location", &to)
            }
            _ => return None,
        })
    }

    /// Strikes an answer with the faults that change it.
    pub(crate) fn change_answer(
        &mut self,
        subject: &FaultSubject<'_>,
        mut answer: ApiResponse,
    ) -> ApiResponse {
        self.faults.trigger_each(subject, |kind| match kind {
            FaultKind::Rewrite { pointer, value } => rewrite(&mut answer, pointer, value.as_ref()),
            FaultKind::Substitute { text, with } => substitute(&mut answer, text, with),
            FaultKind::Encoded(name) => encode(&mut answer, name),
            _ => false,
        });
        answer
    }

    /// An error as REST answers it, with a request id.
    pub(crate) fn error_response(&mut self, mut error: AppError) -> ApiResponse {
        error.request_id = Some(new_id(&mut self.random));
        ApiResponse::error(&error)
    }
}

/// Sets or removes the value at a pointer; false when there is none.
fn rewrite(answer: &mut ApiResponse, pointer: &str, value: Option<&Value>) -> bool {
    let Ok(mut body) = serde_json::from_str::<Value>(&answer.body) else {
        return false;
    };
    let done = match value {
        Some(value) => body.pointer_mut(pointer).map(|place| *place = value.clone()).is_some(),
        None => remove(&mut body, pointer),
    };
    if done {
        answer.body = to_text(&body);
    }
    done
}

fn remove(body: &mut Value, pointer: &str) -> bool {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        return false;
    };
    match body.pointer_mut(parent) {
        Some(Value::Object(map)) => map.remove(name).is_some(),
        Some(Value::Array(rows)) => {
            let at = name.parse().ok().filter(|at| *at < rows.len());
            at.map(|at: usize| rows.remove(at)).is_some()
        }
        _ => false,
    }
}

fn substitute(answer: &mut ApiResponse, text: &str, with: &str) -> bool {
    let found = answer.body.contains(text);
    if found {
        answer.body = answer.body.replace(text, with);
    }
    found
}

/// Marks the answer as compressed. Its bytes are not readable, whatever they would be unpacked.
fn encode(answer: &mut ApiResponse, name: &str) -> bool {
    answer.headers.push(("Content-Encoding", name.to_owned()));
    answer.body = format!("\u{b}\u{2}\u{80}{}\u{3}", "\u{1a}".repeat(answer.body.len() / 4));
    true
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
            | FaultKind::Forbidden
            | FaultKind::NotFound
            | FaultKind::ProxyPage(_)
    )
}
