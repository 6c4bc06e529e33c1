use std::{fmt, io, time::Duration};

use crate::mattermost::transport::{
    REDIRECT_TEXT, TransportError, TransportErrorKind, remedy_of, write_error,
};

/// A failed dial. It contains no token and no query, so it can be shown.
#[derive(Debug)]
pub struct DialError {
    /// The kind of failure, for callers to branch on.
    pub kind: DialErrorKind,
    /// The message for people. May be empty.
    pub message: Box<str>,
    /// The underlying error.
    pub source: Option<io::Error>,
}

/// The kinds of failure that callers handle differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialErrorKind {
    /// No connection, or it broke before the response.
    Unreachable,
    /// The dial did not finish within its time limit.
    Timeout,
    /// The TLS handshake failed or the certificate was rejected.
    Tls,
    /// A proxy refuses, for a reason that does not pass by itself.
    Proxy,
    /// The server refused with a status of 400 or higher.
    Refused {
        /// The HTTP status: 429, 404, 502 and so on.
        status: u16,
        /// The time to wait, counted from the response.
        retry_after: Option<Duration>,
    },
    /// 3xx. Redirects are not followed, because the token would be sent along.
    Redirect,
    /// A response that does not open a WebSocket: a wrong address, or a proxy that does not forward upgrades.
    NotWebSocket,
}

impl DialError {
    pub(in crate::mattermost) fn from_transport(failure: TransportError) -> Self {
        let kind = match failure.kind {
            TransportErrorKind::Unreachable => DialErrorKind::Unreachable,
            TransportErrorKind::Timeout => DialErrorKind::Timeout,
            TransportErrorKind::Tls => DialErrorKind::Tls,
            TransportErrorKind::NotHttp => DialErrorKind::NotWebSocket,
            TransportErrorKind::Proxy => DialErrorKind::Proxy,
        };
        Self { kind, message: failure.message.into(), source: failure.source }
    }

    /// Returns the way to fix the underlying cause, such as a certificate or a proxy, if it is known.
    pub fn remedy(&self) -> Option<String> {
        remedy_of(self.source.as_ref())
    }

    /// Creates the error for a request with a part that HTTP does not allow. Addresses and tokens are checked
    /// before, so only the user agent can cause it.
    pub(in crate::mattermost) fn bad_request(error: impl fmt::Display) -> Self {
        let message = format!("the request cannot be built: {error}").into();
        Self { kind: DialErrorKind::NotWebSocket, message, source: None }
    }
}

impl fmt::Display for DialErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => TransportErrorKind::Unreachable.fmt(f),
            Self::Timeout => TransportErrorKind::Timeout.fmt(f),
            Self::Tls => TransportErrorKind::Tls.fmt(f),
            Self::Proxy => TransportErrorKind::Proxy.fmt(f),
            Self::Refused { status, retry_after: Some(wait) } => {
                write!(f, "the server refused the WebSocket ({status}); retry in {} s", wait.as_secs())
            }
            Self::Refused { status, retry_after: None } => {
                write!(f, "the server refused the WebSocket ({status})")
            }
            Self::Redirect => f.write_str(REDIRECT_TEXT),
            Self::NotWebSocket => {
                f.write_str("the response does not open a WebSocket; is this the address of Mattermost?")
            }
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_error(f, &self.kind, &self.message)
    }
}

impl std::error::Error for DialError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}
