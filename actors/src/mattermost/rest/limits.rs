//! Limits on the time and memory of a client.

use std::time::Duration;

use super::connections::TRANSFERS;

/// Time for DNS, TCP and TLS together. A healthy server takes milliseconds; three SYNs (1 + 2 + 4 s)
/// fit in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a whole request, including the connection and the body. Shorter than the 30 s between two
/// polls, so that a slow response never overlaps with the next request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest body, or the longest rows of a list together. A page of 200 posts with 16,383 four-byte characters each
/// (fact 13) is 13 MiB.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// The most channels of one account: far more than people can use, and some 60 MiB.
pub const MAX_CHANNELS: usize = 50_000;

/// The longest message on a socket. A post's text is 64 KiB at most (fact 13), but it is escaped twice and
/// comes with attachments and metadata.
const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;

/// REST connections per Arbiter and server: as many as [dials](crate::policy::GateLimits::dial_slots) at once. With few,
/// accounts that reconnect together wait for each other's answers, while the processor and the server have nothing to do.
const REST_CONNECTIONS: usize = 32;

/// The connections of an Arbiter to a server that may be open besides the sockets of accounts, by default: for requests,
/// uploads and downloads.
pub const CONNECTIONS_PER_ARBITER: usize = REST_CONNECTIONS + 2 * TRANSFERS;

/// Time for which an idle REST connection is kept: longer than the 30 s between two polls, shorter than the
/// 60 s after which Mattermost closes it.
const KEEP_ALIVE: Duration = Duration::from_secs(50);

/// Time for which a DNS result is valid: thousands of simultaneous reconnects cause one lookup.
const DNS_TTL: Duration = Duration::from_secs(60);

/// The limits of a [`Client`](crate::mattermost::Client).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLimits {
    /// Time for DNS, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Time for a whole request, or for a whole dial up to the server's 101.
    pub request_timeout: Duration,
    /// The longest body kept, in bytes after decompression. Lists are read row by row: it bounds the rows that are kept.
    pub max_body_bytes: usize,
    /// The most channels kept of a list.
    pub max_channels: usize,
    /// The longest WebSocket message, in bytes, with all its fragments.
    pub max_frame_bytes: usize,
    /// The most REST connections at once; further requests wait, within their timeout.
    pub rest_connections: usize,
    /// Time for which an idle REST connection is kept.
    pub keep_alive: Duration,
    /// Time for which a DNS result is valid.
    pub dns_ttl: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connect_timeout: CONNECT_TIMEOUT,
            request_timeout: REQUEST_TIMEOUT,
            max_body_bytes: MAX_BODY_BYTES,
            max_channels: MAX_CHANNELS,
            max_frame_bytes: MAX_FRAME_BYTES,
            rest_connections: REST_CONNECTIONS,
            keep_alive: KEEP_ALIVE,
            dns_ttl: DNS_TTL,
        }
    }
}
