//! The pace of requests: a token bucket that also obeys the server's rate headers (fact 15).

use std::time::{Duration, Instant};

use super::GateLimits;

/// The pause after a 429 without `Retry-After`.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that a server may request: a longer one is a mistake that must not keep a bot away.
pub(in crate::policy) const MAX_PAUSE: Duration = Duration::from_secs(300);
/// The lowest rate that headers may impose, in requests per second: without requests there are no new headers.
const SLOWEST: f64 = 0.1;
/// The longest plausible time to refill. A longer one is a date in the wrong header, as some proxies send it.
const LONGEST_RESET: Duration = Duration::from_secs(3_600);
/// The size of a burst after idle time: a fifth of a second's requests, at least one.
const BURST_SECONDS: f64 = 0.2;
/// The parts of a request per second to which a share is rounded down, so that all shares together are no more than the whole.
const PARTS_OF_A_REQUEST: f64 = 1e6;

/// The state of the server's rate limit, as an answer's `X-Ratelimit-*` headers give it (fact 15).
///
/// The server counts requests by client address: all accounts of a host share the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateHeaders {
    /// The size of the server's bucket, in requests.
    pub limit: u32,
    /// The requests left in it.
    pub remaining: u32,
    /// The time from the answer until the bucket is full again, in whole seconds, rounded up.
    pub reset: Duration,
}

/// A token bucket that paces the requests to a server.
#[derive(Debug)]
pub struct TokenBucket {
    configured: f64,
    /// The processes that share the server's rate, this one included.
    sharers: u32,
    rate: f64,
    tokens: f64,
    counted_at: Instant,
    paused_until: Option<Instant>,
}

impl TokenBucket {
    /// Creates a full bucket for the given number of requests per second.
    pub fn new(now: Instant, requests_per_second: f64) -> Self {
        let rate = requests_per_second.max(f64::MIN_POSITIVE);
        Self { configured: rate, sharers: 1, rate, tokens: burst(rate), counted_at: now, paused_until: None }
    }

    /// Creates a full bucket for a share of the requests.
    pub(crate) fn with_limits(now: Instant, limits: GateLimits) -> Self {
        let rate = share(limits.requests_per_second, limits.sharers);
        Self { sharers: limits.sharers, ..Self::new(now, rate) }
    }

    /// Takes a token for one request.
    ///
    /// # Errors
    /// If there is none: the time to wait before the next attempt.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        if let Some(until) = self.paused_until {
            if now < until {
                return Err(until - now);
            }
            self.paused_until = None;
        }
        self.refill(now);
        // A deficit of less than a nanosecond's refill counts as none: timers cannot wait for less.
        if self.tokens + self.rate * 1e-9 >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let wait = Duration::try_from_secs_f64((1.0 - self.tokens) / self.rate).unwrap_or(MAX_PAUSE);
        Err(wait.clamp(Duration::from_nanos(1), MAX_PAUSE))
    }

    /// Changes the configured rate, and the number of those that share it.
    pub(crate) fn configure(&mut self, limits: GateLimits) {
        self.configured = share(limits.requests_per_second, limits.sharers).max(f64::MIN_POSITIVE);
        self.sharers = limits.sharers;
        self.rate = self.configured;
    }

    /// Returns an unused token.
    pub fn return_token(&mut self) {
        self.tokens += 1.0;
    }

    /// Pauses all requests after a 429, and returns the length of the pause.
    pub fn rate_limited(&mut self, now: Instant, retry_after: Option<Duration>) -> Duration {
        let wait = retry_after.unwrap_or(DEFAULT_PAUSE).clamp(Duration::from_millis(100), MAX_PAUSE);
        let until = now + wait;
        let until = self.paused_until.map_or(until, |old| old.max(until));
        self.paused_until = Some(until);
        // Nothing accumulates during the pause: waiting requests leave at the normal pace.
        self.tokens = 0.0;
        self.counted_at = until;
        wait
    }

    /// Adapts the rate to the server's headers. If its bucket is less than half full, the refill time gives its
    /// rate; requests of strangers behind the same address are included.
    pub fn adapt(&mut self, now: Instant, seen: RateHeaders) {
        self.refill(now);
        let is_date = seen.reset > LONGEST_RESET;
        if is_date || seen.limit == 0 || seen.remaining.saturating_mul(2) >= seen.limit {
            self.rate = self.configured;
            return;
        }
        let server = f64::from(seen.limit - seen.remaining) / seen.reset.as_secs_f64().max(1.0);
        self.rate = self.configured.min(share(server, self.sharers).max(SLOWEST));
        self.tokens = self.tokens.min(burst(self.rate));
    }

    /// Returns the current rate, in requests per second.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Returns the remaining time of a pause after a 429.
    pub fn paused_for(&self, now: Instant) -> Option<Duration> {
        self.paused_until.filter(|until| *until > now).map(|until| until - now)
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.counted_at).as_secs_f64();
        self.counted_at = self.counted_at.max(now);
        self.tokens = (self.tokens + passed * self.rate).min(burst(self.rate));
    }
}

/// Returns the part of a rate that each of several may use.
fn share(rate: f64, sharers: u32) -> f64 {
    if sharers <= 1 {
        return rate;
    }
    (rate / f64::from(sharers) * PARTS_OF_A_REQUEST).floor() / PARTS_OF_A_REQUEST
}

fn burst(rate: f64) -> f64 {
    (rate * BURST_SECONDS).max(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Counts the requests made within a time when each is sent as early as possible.
    fn made_within(bucket: &mut TokenBucket, start: Instant, length: Duration) -> usize {
        let mut now = start;
        let mut made = 0;
        while now < start + length {
            match bucket.take(now) {
                Ok(()) => made += 1,
                Err(wait) => now += wait,
            }
        }
        made
    }

    #[test]
    fn the_rate_allows_a_small_burst() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start, 50.0);
        let made = made_within(&mut bucket, start, 10 * SECOND);
        assert!((505..=511).contains(&made), "{made}");
    }

    #[test]
    fn a_429_pauses_everything_until_retry_after() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start, 50.0);
        assert_eq!(bucket.rate_limited(start, Some(3 * SECOND)), 3 * SECOND);
        assert_eq!(
            bucket.rate_limited(start, Some(SECOND)),
            SECOND,
            "a shorter one does not end a longer one"
        );
        assert_eq!(bucket.take(start + SECOND), Err(2 * SECOND));
        assert!(made_within(&mut bucket, start + 3 * SECOND, SECOND) <= 51, "no burst after a pause");
        assert_eq!(bucket.rate_limited(start, None), DEFAULT_PAUSE);
        assert_eq!(bucket.rate_limited(start, Some(Duration::MAX)), MAX_PAUSE);
    }

    #[test]
    fn the_servers_headers_may_only_slow_down() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start, 50.0);
        // As recorded from a server: a bucket of 6, refilled at 2 per second.
        for (remaining, reset_seconds, rate) in
            [(4, 1, 50.0), (3, 2, 50.0), (2, 2, 2.0), (0, 3, 2.0), (5, 1, 50.0)]
        {
            bucket.adapt(start, RateHeaders { limit: 6, remaining, reset: reset_seconds * SECOND });
            assert!((bucket.rate() - rate).abs() < 1e-9, "{remaining} left: {}", bucket.rate());
        }
        bucket.adapt(start, RateHeaders { limit: 100_000, remaining: 0, reset: SECOND });
        assert!((bucket.rate() - 50.0).abs() < 1e-9);
    }

    #[test]
    fn nonsensical_headers_are_ignored() {
        let start = Instant::now();
        for (remaining, reset_seconds) in [(10, 1_700_000_000), (99, 3_600), (0, u64::MAX), (1, 0)] {
            let mut bucket = TokenBucket::new(start, 50.0);
            let reset = Duration::from_secs(reset_seconds);
            bucket.adapt(start, RateHeaders { limit: 200, remaining, reset });
            let made = made_within(&mut bucket, start, 600 * SECOND);
            assert!(made >= 60, "{made} in ten minutes after {remaining} left, {reset_seconds} s");
        }
    }

    fn shared(requests_per_second: f64, sharers: u32) -> GateLimits {
        GateLimits { requests_per_second, sharers, ..GateLimits::default() }
    }

    #[test]
    fn those_behind_one_address_share_what_is_configured_and_what_the_server_has_left() {
        let start = Instant::now();
        let mut bucket = TokenBucket::with_limits(start, shared(50.0, 4));
        assert!((bucket.rate() - 12.5).abs() < 1e-9, "{}", bucket.rate());
        let made = made_within(&mut bucket, start, 10 * SECOND);
        assert!((125..=129).contains(&made), "{made}");
        bucket.adapt(start, RateHeaders { limit: 60, remaining: 10, reset: 5 * SECOND });
        assert!((bucket.rate() - 2.5).abs() < 1e-9, "a quarter of 10: {}", bucket.rate());
        bucket.configure(shared(50.0, 1));
        assert!((bucket.rate() - 50.0).abs() < 1e-9, "the others have left: {}", bucket.rate());
    }

    proptest! {
        #[test]
        fn shares_are_never_more_than_the_whole(rate in 0.1..10_000.0f64, sharers in 1u32..200) {
            let of_each = TokenBucket::with_limits(Instant::now(), shared(rate, sharers)).rate();
            prop_assert!(of_each * f64::from(sharers) <= rate * (1.0 + 1e-12), "{of_each}");
            prop_assert!(of_each * f64::from(sharers) >= rate - f64::from(sharers) * 1e-6 - 1e-9, "{of_each}");
        }

        #[test]
        fn never_faster_than_the_rate(rate in 0.5..500.0f64, seconds in 1u32..20) {
            let start = Instant::now();
            let mut bucket = TokenBucket::new(start, rate);
            let made = f64::from(u32::try_from(made_within(&mut bucket, start, seconds * SECOND)).unwrap());
            prop_assert!(made <= rate * f64::from(seconds) + burst(rate) + 1.0);
            prop_assert!(made + 2.0 >= rate * f64::from(seconds), "{made} is too slow");
        }
    }
}
