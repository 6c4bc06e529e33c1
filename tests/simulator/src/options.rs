//! How a simulator is built: addresses, sizes and times, each with the real server's value as default.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::{ServerVersion, Simulator, SimulatorError};

/// Sent events that the server keeps for replay to a resumed socket (fact 10).
const DEAD_QUEUE: usize = 128;
/// Events that wait for one socket before the server closes or forgets it (facts 10 and 17).
const SEND_QUEUE: usize = 256;

/// Bytes that a file may have. The real server's default is 50 MiB; nobody here needs to send that much.
const MAX_FILE_SIZE: usize = 1024 * 1024;
/// Characters that a post may have (facts 13 and 40).
const MAX_POST_SIZE: usize = 16_383;

/// The times that the real server uses. Tests shorten them; nothing else does.
#[derive(Debug, Clone)]
pub struct Timings {
    /// A socket without a valid token is dropped after this (fact 1).
    pub auth_timeout: Duration,
    /// Time between the server's WebSocket pings (fact 17).
    pub ping_interval: Duration,
    /// A client that sent no pong for this long is dropped (fact 17).
    pub pong_wait: Duration,
    /// A left connection is kept this long for a resume (fact 10).
    pub connection_retention: Duration,
    /// One `pending_post_id` makes one post within this time (fact 19).
    pub pending_post_window: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            auth_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(60),
            pong_wait: Duration::from_secs(100),
            connection_retention: Duration::from_secs(300),
            pending_post_window: Duration::from_secs(30),
        }
    }
}

/// The rate limit by client address; WebSocket upgrades count too (fact 15).
#[derive(Debug, Clone, Copy)]
pub struct RateLimit {
    /// Requests given back each second.
    pub per_second: u32,
    /// Requests beyond the first that may come at once.
    pub burst: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) bind: SocketAddr,
    pub(crate) sub_path: String,
    pub(crate) tls: bool,
    pub(crate) rate_limit: Option<RateLimit>,
    pub(crate) seed: u64,
    pub(crate) timings: Timings,
    pub(crate) dead_queue: usize,
    pub(crate) send_queue: usize,
    pub(crate) version: ServerVersion,
    /// The name of the version, where it is another than the version's own.
    version_name: Option<String>,
    list_all_channels: Option<bool>,
    pub(crate) send_buffer: Option<u32>,
    pub(crate) worker_threads: usize,
    pub(crate) max_file_size: usize,
    pub(crate) max_post_size: usize,
}

impl Options {
    /// The version as hello, ping and `ETag` give it.
    pub(crate) fn version_name(&self) -> &str {
        self.version_name.as_deref().unwrap_or(self.version.number())
    }

    /// True when `GET /users/me/channels` exists.
    pub(crate) fn lists_all_channels(&self) -> bool {
        self.list_all_channels.unwrap_or(self.version.is_current())
    }
}

/// Collects what a [`Simulator`] is to be like; made by [`Simulator::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct SimulatorBuilder {
    options: Options,
}

impl SimulatorBuilder {
    pub(crate) fn new() -> Self {
        Self {
            options: Options {
                bind: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
                sub_path: String::new(),
                tls: false,
                rate_limit: None,
                seed: 1,
                timings: Timings::default(),
                dead_queue: DEAD_QUEUE,
                send_queue: SEND_QUEUE,
                version: ServerVersion::default(),
                version_name: None,
                list_all_channels: None,
                send_buffer: None,
                worker_threads: 1,
                max_file_size: MAX_FILE_SIZE,
                max_post_size: MAX_POST_SIZE,
            },
        }
    }

    /// The address to listen on; port 0 takes a free one. Default: `127.0.0.1:0`.
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.options.bind = address;
        self
    }

    /// Serves everything below a path such as `/chat`; outside of it all is 404.
    pub fn sub_path(mut self, path: &str) -> Self {
        let trimmed = path.trim_matches('/');
        self.options.sub_path = if trimmed.is_empty() { String::new() } else { format!("/{trimmed}") };
        self
    }

    /// Speaks TLS with a certificate of a fresh authority; see [`Simulator::ca_pem`].
    pub fn tls(mut self, on: bool) -> Self {
        self.options.tls = on;
        self
    }

    /// Limits requests by client address. Default: no limit.
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.options.rate_limit = Some(limit);
        self
    }

    /// Seeds ids and every random choice. Default: 1.
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// Replaces the real server's times.
    pub fn timings(mut self, timings: Timings) -> Self {
        self.options.timings = timings;
        self
    }

    /// Sent events kept for replay. Default: 128 (fact 10).
    pub fn dead_queue(mut self, events: usize) -> Self {
        self.options.dead_queue = events;
        self
    }

    /// Events that may wait for one socket. Default: 256 (facts 10 and 17).
    pub fn send_queue(mut self, events: usize) -> Self {
        self.options.send_queue = events;
        self
    }

    /// The server to be. Default: 5.37, see [`ServerVersion`].
    pub fn version(mut self, version: ServerVersion) -> Self {
        self.options.version = version;
        self
    }

    /// The name of the version in hello, ping and `ETag`. Default: that of the version, such as `5.37.0`.
    pub fn server_version(mut self, version: &str) -> Self {
        self.options.version_name = Some(version.to_owned());
        self
    }

    /// Gives or takes `GET /users/me/channels`. Default: 11.1 has it, 5.37 lacks it (facts 12 and 33).
    pub fn list_all_channels(mut self, exists: bool) -> Self {
        self.options.list_all_channels = Some(exists);
        self
    }

    /// The kernel's send buffer of each socket, in bytes: a small one makes a slow reader felt early.
    pub fn send_buffer(mut self, bytes: u32) -> Self {
        self.options.send_buffer = Some(bytes);
        self
    }

    /// The bytes that a file may have. Default: 1 MiB.
    pub fn max_file_size(mut self, bytes: usize) -> Self {
        self.options.max_file_size = bytes;
        self
    }

    /// The characters that a post may have. Default: 16,383 (fact 40).
    pub fn max_post_size(mut self, characters: usize) -> Self {
        self.options.max_post_size = characters;
        self
    }

    /// Threads that serve sockets. Default: 1.
    pub fn worker_threads(mut self, threads: usize) -> Self {
        self.options.worker_threads = threads.max(1);
        self
    }

    /// Listens, starts the runtime and returns when the first connection would be accepted.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the runtime or a certificate cannot be made.
    pub fn start(self) -> Result<Simulator, SimulatorError> {
        Simulator::launch(self.options)
    }
}
