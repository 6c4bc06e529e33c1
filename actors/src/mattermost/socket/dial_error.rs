//! Why a dial failed.

use std::{fmt, io, time::Duration};

use crate::mattermost::rest::failure::{TransportError, TransportErrorKind};

/// Why there is no socket. It can be shown: there is no token and no query in it.
#[derive(Debug)]
pub struct DialError {
    /// What callers branch on.
    pub kind: DialErrorKind,
    /// What a person should read. May be empty.
    pub message: Box<str>,
    /// The error beneath.
    pub source: Option<io::Error>,
}

/// The kinds of failure that call for different answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialErrorKind {
    /// No connection, or it broke before the answer.
    Unreachable,
    /// It took too long.
    Timeout,
    /// TLS or the certificate was refused.
    Tls,
    /// The server refused, with a status of 400 and up.
    Refused {
        /// The HTTP status: 429, 404, 502 and so on.
        status: u16,
        /// How long to wait, counted from the answer.
        retry_after: Option<Duration>,
    },
    /// 3xx, which is not followed: the token would go along.
    Redirect,
    /// An answer, but no WebSocket: a wrong address, or a proxy that does not pass upgrades on.
    NotWebSocket,
}

impl DialError {
    pub(in crate::mattermost) fn failed(failure: TransportError) -> Self {
        let kind = match failure.kind {
            TransportErrorKind::Unreachable => DialErrorKind::Unreachable,
            TransportErrorKind::Timeout => DialErrorKind::Timeout,
            TransportErrorKind::Tls => DialErrorKind::Tls,
            TransportErrorKind::NotHttp => DialErrorKind::NotWebSocket,
        };
        Self { kind, message: failure.message.into(), source: failure.source }
    }

    /// A part of the request that is no HTTP. Addresses, tokens and user agents are checked before, so
    /// this is a mistake in the configuration at most.
    pub(in crate::mattermost) fn bad_request(error: impl fmt::Display) -> Self {
        let message = format!("the request cannot be made: {error}").into();
        Self { kind: DialErrorKind::NotWebSocket, message, source: None }
    }
}

impl fmt::Display for DialErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("the server cannot be reached"),
            Self::Timeout => f.write_str("the server took too long"),
            Self::Tls => f.write_str("TLS failed"),
            Self::Refused { status, retry_after: Some(wait) } => {
                write!(f, "the server refused the WebSocket ({status}), again in {} s", wait.as_secs())
            }
            Self::Refused { status, retry_after: None } => {
                write!(f, "the server refused the WebSocket ({status})")
            }
            Self::Redirect => f.write_str("the server redirects elsewhere; set its final address"),
            Self::NotWebSocket => {
                f.write_str("the answer is no WebSocket; is this the address of Mattermost?")
            }
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for DialError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}
