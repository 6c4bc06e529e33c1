//! Resources that all accounts of a server share: its rate limit, its dial slots and its status.

mod fair_queue;
mod server_probe;
mod token_bucket;

pub use fair_queue::{FairQueue, GateFull, Grant, RequestClass};
pub(crate) use server_probe::{ServerProbe, ServerStatus, StatusChange};
pub(super) use token_bucket::MAX_PAUSE;
pub use token_bucket::{RateHeaders, TokenBucket};

/// The limits that an operator can set for a server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateLimits {
    /// Requests per second, WebSocket upgrades included; lower if the server's headers require it.
    pub requests_per_second: f64,
    /// The processes that share these requests, this one included: those that the server sees behind one address.
    pub sharers: u32,
    /// The maximum number of concurrent connections between dial and hello.
    pub dial_slots: usize,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            // A server of ordinary size handles this rate easily.
            requests_per_second: 50.0,
            sharers: 1,
            // A server that is starting must not be flooded by all its bots at once.
            dial_slots: 32,
        }
    }
}
