//! The HTTP client's errors, sorted by cause.

use std::io;

use actix_http::error::ParseError;
use awc::error::{ConnectError, PayloadError, SendRequestError};

/// A failure before there was a response.
#[derive(Debug)]
pub(in crate::mattermost) struct TransportError {
    pub(in crate::mattermost) kind: TransportErrorKind,
    pub(in crate::mattermost) message: String,
    /// The underlying error of the operating system or of TLS. Unlike the HTTP client's own errors it can
    /// be sent between threads.
    pub(in crate::mattermost) source: Option<io::Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mattermost) enum TransportErrorKind {
    /// No connection, or it broke before the response.
    Unreachable,
    /// The time limit passed.
    Timeout,
    /// The TLS handshake failed or a certificate was rejected, by either side.
    Tls,
    /// The response is not HTTP.
    NotHttp,
}

impl TransportError {
    fn new(kind: TransportErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(in crate::mattermost) fn timeout() -> Self {
        Self::new(TransportErrorKind::Timeout, "the time limit for the request has passed")
    }

    fn io(context: &str, error: io::Error) -> Self {
        let tls = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
        let kind = match error.kind() {
            _ if tls => TransportErrorKind::Tls,
            io::ErrorKind::TimedOut => TransportErrorKind::Timeout,
            _ => TransportErrorKind::Unreachable,
        };
        Self { kind, message: format!("{context}: {error}"), source: Some(error) }
    }
}

impl From<SendRequestError> for TransportError {
    fn from(error: SendRequestError) -> Self {
        use TransportErrorKind::{NotHttp, Timeout, Unreachable};
        match error {
            SendRequestError::Connect(error) => error.into(),
            SendRequestError::Send(error) => Self::io("the request could not be sent", error),
            SendRequestError::Response(ParseError::Io(error)) => Self::io("no response", error),
            SendRequestError::Response(ParseError::Timeout) | SendRequestError::Timeout => {
                Self::new(Timeout, "no response in time")
            }
            SendRequestError::Response(ParseError::Incomplete) => {
                Self::new(Unreachable, "the connection was closed in the middle of the response")
            }
            SendRequestError::Response(error) => {
                Self::new(NotHttp, format!("the response is not HTTP: {error}"))
            }
            error => Self::new(NotHttp, error.to_string()),
        }
    }
}

impl From<ConnectError> for TransportError {
    fn from(error: ConnectError) -> Self {
        use TransportErrorKind::{Timeout, Unreachable};
        match error {
            ConnectError::Io(error) => Self::io("no connection", error),
            ConnectError::Timeout => Self::new(Timeout, "no connection in time"),
            ConnectError::Resolver(error) => {
                Self::new(Unreachable, format!("the DNS lookup failed: {error}"))
            }
            ConnectError::NoRecords => Self::new(Unreachable, "the host has no address"),
            ConnectError::Disconnected => {
                Self::new(Unreachable, "the connection was closed before the response")
            }
            error => Self::new(Unreachable, error.to_string()),
        }
    }
}

impl From<PayloadError> for TransportError {
    fn from(error: PayloadError) -> Self {
        match error {
            PayloadError::Io(error) | PayloadError::Incomplete(Some(error)) => {
                Self::io("the response was cut off", error)
            }
            PayloadError::Incomplete(None) => {
                Self::new(TransportErrorKind::Unreachable, "the response was cut off")
            }
            error => Self::new(TransportErrorKind::NotHttp, error.to_string()),
        }
    }
}
