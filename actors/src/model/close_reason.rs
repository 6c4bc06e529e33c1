//! The reasons for which Connections end.

use std::{fmt, time::Duration};

use super::{ChannelId, Excerpt, PostId, UserId};

/// The reason for which a Connection ended. `policy::consequence` decides what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The operator stopped the account.
    OperatorStop,
    /// The account was removed from the configuration.
    Removed,
    /// The host is shutting down.
    Shutdown,
    /// The account's configuration changed.
    ConfigChanged,
    /// The operator asked for a restart.
    OperatorRestart,
    /// `update_at` differs from the value seen before connecting: the account was changed, and a disable and
    /// enable leaves the socket deaf (facts 3 and 7).
    Stale {
        /// The value of `update_at` when the Connection began, in server milliseconds.
        baseline: i64,
        /// The current value of `update_at`.
        seen: i64,
    },
    /// The in-band ping was answered with a status other than OK: no event will arrive (facts 4 and 22).
    Deaf {
        /// The server's error id.
        error: Excerpt,
    },
    /// The audit found a post that was never received.
    AuditHole {
        /// The channel of the post.
        channel: ChannelId,
        /// The post.
        post: PostId,
    },
    /// `/users/me` answers 401: the account is disabled or its token is revoked (fact 8).
    Unauthorized,
    /// The server or the route to it is misconfigured, so that no retry can help.
    Misconfigured {
        /// The part that is misconfigured.
        what: Misconfiguration,
        /// The real cause, with the way to fix it where that is known. May be empty.
        cause: String,
    },
    /// The token belongs to another user than at the start of the account.
    IdentityChanged {
        /// The user at the start of the account.
        was: UserId,
        /// The user to whom the token belongs now.
        now: UserId,
    },
    /// A TCP connection could not be opened, or a request was not answered.
    Unreachable {
        /// The network error.
        cause: Excerpt,
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
        /// The wait that the server asked for.
        retry_after: Option<Duration>,
    },
    /// The socket opened but no hello arrived in time, while REST works.
    HelloOverdue,
    /// The socket was dropped before the Connection was ready, while REST works.
    DroppedBeforeReady,
    /// The catch-up could not be completed.
    CatchUpFailed {
        /// The error that stopped it.
        cause: Excerpt,
    },
    /// A ready socket ended without a close frame.
    Dropped {
        /// The network error.
        cause: Excerpt,
    },
    /// A ready socket was closed by the server with a close frame.
    Closed {
        /// The close code, if the server sent one.
        code: Option<u16>,
    },
    /// A ready socket did not answer the in-band ping in time.
    Silent,
    /// A frame exceeded our limit; its post can only be fetched by REST (fact 27).
    Oversized {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The server violated the protocol.
    Protocol {
        /// The violation.
        cause: Excerpt,
    },
    /// A handler of the Connection panicked.
    Panicked,
    /// The HealthCheck ended before its Connection.
    HealthCheckDied,
    /// The sink reported that it is broken.
    SinkBroken {
        /// The sink's explanation.
        cause: Excerpt,
    },
    /// The account's Delivery died; both restart.
    DeliveryDied,
    /// The account's Arbiter died.
    ArbiterDied,
}

/// A kind of misconfiguration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misconfiguration {
    /// TLS or the certificate was refused.
    Tls,
    /// The API is not at this URL (404).
    NotFound,
    /// The answer does not come from Mattermost: it is HTML or another body that is not JSON.
    NotMattermost,
    /// The server answers with a redirect, which is not followed with a token.
    Redirect,
    /// The server refuses the request with another 4xx.
    Refused,
    /// An answer that cannot be read: too long, encoded otherwise, or of another shape.
    Unreadable,
    /// A proxy refuses the connection.
    Proxy,
}

/// A class of close reasons that have the same consequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CloseClass {
    /// The operator asked for it.
    Planned,
    /// The socket is unusable but the account is fine: a fresh socket fixes it.
    Recycle,
    /// The account is disabled or its token is revoked.
    Blocked,
    /// Retrying cannot help until the configuration changes.
    Misconfigured,
    /// The token belongs to another user.
    Identity,
    /// A temporary problem of the network or the server.
    Transient,
    /// A fault of this program, or a protocol violation.
    Fault,
    /// An Arbiter died.
    Arbiter,
}

impl CloseClass {
    /// Returns the class as one word, for the API and the metrics.
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
    /// Returns the class of the reason.
    pub fn class(&self) -> CloseClass {
        use CloseReason as R;
        match self {
            R::OperatorStop | R::Removed | R::Shutdown | R::ConfigChanged | R::OperatorRestart => {
                CloseClass::Planned
            }
            R::Stale { .. } | R::Deaf { .. } | R::AuditHole { .. } => CloseClass::Recycle,
            R::Unauthorized => CloseClass::Blocked,
            R::Misconfigured { .. } => CloseClass::Misconfigured,
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

    /// Returns the reason as one word, for logs, metrics and the API.
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
            R::Misconfigured { .. } => "misconfigured",
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
            R::Misconfigured { what, cause } if cause.is_empty() => write!(f, "misconfigured: {what}"),
            R::Misconfigured { cause, .. } => write!(f, "misconfigured: {cause}"),
            R::IdentityChanged { was, now } => write!(f, "the token now belongs to user {now}, not {was}"),
            R::Unreachable { cause } => write!(f, "unreachable: {cause}"),
            R::ServerError { status } => write!(f, "the server answered {status}"),
            R::RateLimited { retry_after: Some(wait) } => write!(f, "rate limited for {} s", wait.as_secs()),
            R::CatchUpFailed { cause } => write!(f, "the catch-up failed: {cause}"),
            R::Dropped { cause } => write!(f, "dropped: {cause}"),
            R::Closed { code: Some(code) } => write!(f, "closed by the server with code {code}"),
            R::Oversized { limit } => write!(f, "a frame exceeds the limit of {limit} bytes"),
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
            Self::Tls => "the TLS handshake or the certificate failed (check ca_file)",
            Self::NotFound => "there is no Mattermost API at this URL (404)",
            Self::NotMattermost => "the server at this URL is not Mattermost (its answer is not JSON)",
            Self::Redirect => "the server redirects; configure the URL that it redirects to",
            Self::Refused => "the server refuses the request",
            Self::Unreadable => "an answer cannot be read",
            Self::Proxy => "the proxy refuses the connection",
        })
    }
}
