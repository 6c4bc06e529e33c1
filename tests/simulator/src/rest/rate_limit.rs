//! The rate limit by client address: the generic cell rate algorithm, as the server's library has it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hyper::StatusCode;

use crate::options::RateLimit;
use crate::rest::response::ApiResponse;

/// The use of the limit by every address.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    /// Time that one request costs.
    cost: Duration,
    limit: u32,
    /// When each address will have paid for all it asked.
    paid_at: HashMap<IpAddr, Instant>,
}

/// The values of the headers after a request (fact 15).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    limit: u32,
    remaining: u64,
    reset: u64,
    /// Set when the request is refused.
    pub(crate) retry_after: Option<u64>,
}

impl RateLimiter {
    pub(crate) fn new(limit: RateLimit) -> Self {
        let cost = Duration::from_secs(1) / limit.per_second.max(1);
        Self { cost, limit: limit.burst + 1, paid_at: HashMap::new() }
    }

    pub(crate) fn check(&mut self, address: IpAddr, now: Instant) -> Quota {
        let tolerance = self.cost * self.limit;
        let paid_at = self.paid_at.get(&address).copied().unwrap_or(now).max(now);
        let next = paid_at + self.cost;
        let refused = next.duration_since(now) > tolerance;
        let owed = if refused { paid_at } else { next }.duration_since(now);
        if !refused {
            self.paid_at.insert(address, next);
        }
        let left = tolerance.saturating_sub(owed);
        Quota {
            limit: self.limit,
            remaining: u64::try_from(left.as_nanos() / self.cost.as_nanos()).unwrap_or(u64::MAX),
            reset: seconds_up(owed),
            retry_after: refused.then(|| seconds_up(next.duration_since(now).saturating_sub(tolerance))),
        }
    }
}

impl Quota {
    pub(crate) fn add_headers(&self, answer: ApiResponse) -> ApiResponse {
        answer
            .header("X-Ratelimit-Limit", &self.limit)
            .header("X-Ratelimit-Remaining", &self.remaining)
            .header("X-Ratelimit-Reset", &self.reset)
    }
}

/// 429 in plain text.
pub(crate) fn too_many_requests(retry_after: u64) -> ApiResponse {
    let body = "limit exceeded\n".to_owned();
    ApiResponse::new(StatusCode::TOO_MANY_REQUESTS, "text/plain; charset=utf-8", body)
        .header("Retry-After", &retry_after)
}

fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
