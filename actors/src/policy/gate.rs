//! What all accounts of one server share: its rate limit, its dial slots, and whether it is up.

mod fair_queue;
mod server_probe;
mod token_bucket;

pub use fair_queue::{FairQueue, GateFull, Grant, RequestClass};
pub(crate) use server_probe::{ServerProbe, ServerStatus};
pub(super) use token_bucket::MAX_PAUSE;
pub use token_bucket::{RateHeaders, TokenBucket};

/// What an operator may set about one server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateLimits {
    /// Requests a second, upgrades included; less when the server's headers say so.
    pub requests_per_second: f64,
    /// Connections that are between dial and hello at the same time.
    pub dial_slots: usize,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            // A server of ordinary size answers these without noticing.
            requests_per_second: 50.0,
            // A server that is coming up is not met by all its bots at once.
            dial_slots: 32,
        }
    }
}
