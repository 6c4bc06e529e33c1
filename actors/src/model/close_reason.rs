//! Why a Connection ended: each ending has exactly one typed reason.

use std::{fmt, time::Duration};

use super::{ChannelId, PostId, UserId};

/// Why a Connection ended. What follows from each is decided by `policy::consequence`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The operator stopped the account.
    OperatorStop,
    /// The account was taken out of the configuration.
    Removed,
    /// The host is shutting down.
    Shutdown,
    /// The account's configuration changed.
    ConfigChanged,
    /// The operator asked for a restart.
    OperatorRestart,
    /// `update_at` moved from the value seen before connecting: the account was touched, and a disable and enable
    /// leaves the socket deaf (facts 3 and 7).
    Stale {
        /// `update_at` when the Connection was born, in server milliseconds.
        baseline: i64,
        /// `update_at` as it is now.
        seen: i64,
    },
    /// The in-band ping was answered with a status other than OK: no event will come (facts 4 and 22).
    Deaf {
        /// The server's error id.
        error: String,
    },
    /// The audit found a post that was never received.
    AuditHole {
        /// Where it is.
        channel: ChannelId,
        /// The post.
        post: PostId,
    },
    /// `/users/me` answers 401: the account is disabled or its token revoked (fact 8).
    Unauthorized,
    /// The server or the way to it is set up so that no retry can help.
    Misconfigured(Misconfiguration),
    /// The token now names another user than the one this account began with.
    IdentityChanged {
        /// The user the account began with.
        was: UserId,
        /// The user the token names now.
        now: UserId,
    },
    /// No TCP connection, or no answer to a request.
    Unreachable {
        /// What the network said.
        cause: String,
    },
    /// The server did not answer in time while connecting.
    Timeout,
    /// The server answered with a 5xx while connecting.
    ServerError {
        /// The HTTP status.
        status: u16,
    },
    /// The server answered 429 while connecting.
    RateLimited {
        /// How long it asked to wait.
        retry_after: Option<Duration>,
    },
    /// The socket opened but no hello came in time, while REST is fine.
    HelloOverdue,
    /// The socket was dropped before the Connection was ready, while REST is fine.
    DroppedBeforeReady,
    /// The catch-up could not be finished.
    CatchUpFailed {
        /// What failed.
        cause: String,
    },
    /// A ready socket ended without a close frame.
    Dropped {
        /// What the network said.
        cause: String,
    },
    /// A ready socket was closed by the server with a close frame.
    Closed {
        /// The close code, if there was one.
        code: Option<u16>,
    },
    /// A ready socket did not answer the in-band ping in time.
    Silent,
    /// A frame over our limit; its post can only come by REST (fact 27).
    Oversized {
        /// The limit in bytes.
        limit: usize,
    },
    /// The server broke the protocol.
    Protocol {
        /// What was wrong.
        cause: String,
    },
    /// A handler of the Connection panicked.
    Panicked,
    /// The HealthCheck ended before its Connection did.
    HealthCheckDied,
    /// The sink said that it is broken.
    SinkBroken {
        /// What the sink said.
        cause: String,
    },
    /// The account's Delivery died; both restart.
    DeliveryDied,
    /// The Arbiter that the account lived on died.
    ArbiterDied,
}

/// What is set up wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misconfiguration {
    /// TLS or the certificate was refused.
    Tls,
    /// The API is not at this URL (404).
    NotFound,
    /// Something that is not Mattermost answers (HTML, or another body that is not JSON).
    NotMattermost,
    /// The server answers with a redirect, which is not followed with a token.
    Redirect,
    /// The server refuses the request with another 4xx.
    Refused,
}

/// The kinds of endings that share a consequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CloseClass {
    /// Asked for by the operator.
    Planned,
    /// The socket is of no use, the account is well: a fresh socket mends it.
    Recycle,
    /// The account is disabled or its token revoked.
    Blocked,
    /// Retrying cannot help until somebody changes something.
    Misconfigured,
    /// The token names another user.
    Identity,
    /// The network or the server, for now.
    Transient,
    /// Something of ours, or a broken protocol.
    Fault,
    /// An Arbiter died.
    Arbiter,
}

impl CloseClass {
    /// The class in one word, for the API and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Recycle => "recycle",
            Self::Blocked => "blocked",
            Self::Misconfigured => "misconfigured",
            Self::Identity => "identity",
            Self::Transient => "transient",
            Self::Fault => "fault",
            Self::Arbiter => "arbiter",
        }
    }
}

impl CloseReason {
    /// The class that the reason belongs to.
    pub fn class(&self) -> CloseClass {
        use CloseReason as R;
        match self {
            R::OperatorStop | R::Removed | R::Shutdown | R::ConfigChanged | R::OperatorRestart => {
                CloseClass::Planned
            }
            R::Stale { .. } | R::Deaf { .. } | R::AuditHole { .. } => CloseClass::Recycle,
            R::Unauthorized => CloseClass::Blocked,
            R::Misconfigured(_) => CloseClass::Misconfigured,
            R::IdentityChanged { .. } => CloseClass::Identity,
            R::Unreachable { .. }
            | R::Timeout
            | R::ServerError { .. }
            | R::RateLimited { .. }
            | R::HelloOverdue
            | R::DroppedBeforeReady
            | R::CatchUpFailed { .. }
            | R::Dropped { .. }
            | R::Closed { .. }
            | R::Silent
            | R::Oversized { .. } => CloseClass::Transient,
            R::Protocol { .. }
            | R::Panicked
            | R::HealthCheckDied
            | R::SinkBroken { .. }
            | R::DeliveryDied => CloseClass::Fault,
            R::ArbiterDied => CloseClass::Arbiter,
        }
    }

    /// The reason in one word, for logs, metrics and the API.
    pub fn label(&self) -> &'static str {
        use CloseReason as R;
        match self {
            R::OperatorStop => "operator_stop",
            R::Removed => "removed",
            R::Shutdown => "shutdown",
            R::ConfigChanged => "config_changed",
            R::OperatorRestart => "operator_restart",
            R::Stale { .. } => "stale",
            R::Deaf { .. } => "deaf",
            R::AuditHole { .. } => "audit_hole",
            R::Unauthorized => "unauthorized",
            R::Misconfigured(_) => "misconfigured",
            R::IdentityChanged { .. } => "identity_changed",
            R::Unreachable { .. } => "unreachable",
            R::Timeout => "timeout",
            R::ServerError { .. } => "server_error",
            R::RateLimited { .. } => "rate_limited",
            R::HelloOverdue => "hello_overdue",
            R::DroppedBeforeReady => "dropped_before_ready",
            R::CatchUpFailed { .. } => "catch_up_failed",
            R::Dropped { .. } => "dropped",
            R::Closed { .. } => "closed",
            R::Silent => "silent",
            R::Oversized { .. } => "oversized",
            R::Protocol { .. } => "protocol",
            R::Panicked => "panicked",
            R::HealthCheckDied => "health_check_died",
            R::SinkBroken { .. } => "sink_broken",
            R::DeliveryDied => "delivery_died",
            R::ArbiterDied => "arbiter_died",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use CloseReason as R;
        match self {
            R::Stale { baseline, seen } => write!(f, "stale: update_at moved from {baseline} to {seen}"),
            R::Deaf { error } => write!(f, "deaf: the ping was answered with {error}"),
            R::AuditHole { channel, post } => {
                write!(f, "the audit found post {post} of channel {channel}, which was never received")
            }
            R::Misconfigured(what) => write!(f, "misconfigured: {what}"),
            R::IdentityChanged { was, now } => write!(f, "the token names user {now}, not {was} any more"),
            R::Unreachable { cause } => write!(f, "unreachable: {cause}"),
            R::ServerError { status } => write!(f, "the server answered {status}"),
            R::RateLimited { retry_after: Some(wait) } => write!(f, "rate limited for {} s", wait.as_secs()),
            R::CatchUpFailed { cause } => write!(f, "the catch-up failed: {cause}"),
            R::Dropped { cause } => write!(f, "dropped: {cause}"),
            R::Closed { code: Some(code) } => write!(f, "closed by the server with code {code}"),
            R::Oversized { limit } => write!(f, "a frame over the limit of {limit} bytes"),
            R::Protocol { cause } => write!(f, "protocol error: {cause}"),
            R::SinkBroken { cause } => write!(f, "the sink is broken: {cause}"),
            R::OperatorStop
            | R::Removed
            | R::Shutdown
            | R::ConfigChanged
            | R::OperatorRestart
            | R::Unauthorized
            | R::Timeout
            | R::RateLimited { retry_after: None }
            | R::HelloOverdue
            | R::DroppedBeforeReady
            | R::Closed { code: None }
            | R::Silent
            | R::Panicked
            | R::HealthCheckDied
            | R::DeliveryDied
            | R::ArbiterDied => f.write_str(&self.label().replace('_', " ")),
        }
    }
}

impl fmt::Display for Misconfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "TLS or the certificate is refused (is ca_file right?)",
            Self::NotFound => "there is no Mattermost API at this URL (404)",
            Self::NotMattermost => "what answers at this URL is not Mattermost (no JSON)",
            Self::Redirect => "the server redirects; give the URL it redirects to",
            Self::Refused => "the server refuses the request",
        })
    }
}
