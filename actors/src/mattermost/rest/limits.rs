//! How much time and memory one client may take.

use std::time::Duration;

/// Time for DNS, TCP and TLS together. A healthy server takes milliseconds; three SYNs (1 + 2 + 4 s)
/// fit in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a whole request, connecting and the body included. Less than the 30 s between two polls,
/// so that a slow answer never meets the next question.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest body. A page of 200 posts of 16,383 four-byte characters (fact 13) is 13 MiB.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// The longest message on a socket. A post's text is 64 KiB at most (fact 13) but stands escaped
/// twice, and carries attachments and metadata.
const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;

/// Connections kept for REST, for each Arbiter and server: enough to poll thousands of accounts.
const REST_CONNECTIONS: usize = 6;

/// How long an idle REST connection is kept: past the 30 s between two polls, short of the 60 s after
/// which Mattermost closes it.
const KEEP_ALIVE: Duration = Duration::from_secs(50);

/// How long an address is believed: thousands of reconnects at once ask the resolver once.
const DNS_TTL: Duration = Duration::from_secs(60);

/// The bounds of one [`Client`](crate::mattermost::Client).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLimits {
    /// Time for DNS, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Time for a whole request, or for a whole dial up to the server's 101.
    pub request_timeout: Duration,
    /// The longest body read, in bytes after decompression.
    pub max_body_bytes: usize,
    /// The longest WebSocket message, in bytes, its fragments together.
    pub max_frame_bytes: usize,
    /// REST connections open at once; more requests wait their turn, within their timeout.
    pub rest_connections: usize,
    /// How long an idle REST connection is kept.
    pub keep_alive: Duration,
    /// How long a DNS answer is believed.
    pub dns_ttl: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connect_timeout: CONNECT_TIMEOUT,
            request_timeout: REQUEST_TIMEOUT,
            max_body_bytes: MAX_BODY_BYTES,
            max_frame_bytes: MAX_FRAME_BYTES,
            rest_connections: REST_CONNECTIONS,
            keep_alive: KEEP_ALIVE,
            dns_ttl: DNS_TTL,
        }
    }
}
