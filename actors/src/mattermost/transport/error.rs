//! The HTTP client's errors, sorted by cause.

use std::{fmt, io};

use actix_http::error::ParseError;
use awc::error::{ConnectError, PayloadError, SendRequestError};

use super::explain;

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
    /// A proxy refused, for a reason that does not pass by itself.
    Proxy,
}

impl fmt::Display for TransportErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the server cannot be reached",
            Self::Timeout => "the server did not respond in time",
            Self::Tls => "TLS failed",
            Self::NotHttp => "the response is not HTTP",
            Self::Proxy => "the proxy refuses",
        })
    }
}

/// The text for an answer that is a redirect.
pub(in crate::mattermost) const REDIRECT_TEXT: &str =
    "the server redirects to another address; configure the final address";

/// Writes an error: its kind, then its message if there is one.
pub(in crate::mattermost) fn write_error(
    f: &mut fmt::Formatter<'_>,
    kind: &impl fmt::Display,
    message: &str,
) -> fmt::Result {
    write!(f, "{kind}")?;
    if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
}

/// Returns the way to fix the cause of an error, such as a certificate or a proxy, if it is known.
pub(in crate::mattermost) fn remedy_of(source: Option<&io::Error>) -> Option<String> {
    source.and_then(explain::explain).map(|explanation| explanation.remedy)
}

impl TransportError {
    fn new(kind: TransportErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(in crate::mattermost) fn timeout() -> Self {
        Self::new(TransportErrorKind::Timeout, "the time limit for the request has passed")
    }

    fn io(context: &str, error: io::Error) -> Self {
        let kind = match error.kind() {
            _ if explain::is_tls(&error) => TransportErrorKind::Tls,
            _ if explain::is_proxy_refusal(&error) => TransportErrorKind::Proxy,
            _ if explain::is_wrong_scheme(&error) => TransportErrorKind::NotHttp,
            io::ErrorKind::TimedOut => TransportErrorKind::Timeout,
            _ => TransportErrorKind::Unreachable,
        };
        let message = match explain::explain(&error) {
            Some(explanation) => explanation.cause,
            None => format!("{context}: {error}"),
        };
        Self { kind, message, source: Some(error) }
    }
}

/// Describes a request that [`http_client`](crate::mattermost::http_client) could not make: the cause, and the way to
/// fix it where that is known.
pub fn describe_send_error(error: SendRequestError) -> String {
    let error = TransportError::from(error);
    match remedy_of(error.source.as_ref()) {
        Some(remedy) => format!("{}; {remedy}", error.message),
        None => error.message,
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
