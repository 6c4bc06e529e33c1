//! Errors of REST requests.

use std::{fmt, io, time::Duration};

use actix_http::{StatusCode, header::HeaderMap};
use serde::Deserialize;

use super::headers;
use crate::{
    mattermost::transport::{REDIRECT_TEXT, TransportError, TransportErrorKind, remedy_of, write_error},
    model::{Excerpt, Token},
};

/// A failed request: the kind of failure, the route and the server's message.
///
/// It contains no token and no query, so it can be shown.
#[derive(Debug)]
pub struct RestError {
    /// The kind of failure, for callers to branch on.
    pub kind: RestErrorKind,
    /// The route, without server and query.
    pub route: &'static str,
    /// Mattermost's name of the error, if the body has one
    /// (`api.context.session_expired.app_error`).
    pub id: Option<Box<str>>,
    /// The message for people. May be empty.
    pub message: Box<str>,
    /// The underlying error.
    pub source: Option<io::Error>,
}

/// The kinds of failure that callers handle differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestErrorKind {
    /// No connection, or it broke before the response was complete.
    Unreachable,
    /// The request did not finish within its time limit.
    Timeout,
    /// The TLS handshake failed or the certificate was rejected.
    Tls,
    /// A proxy refuses, for a reason that does not pass by itself.
    Proxy,
    /// 401: the token is invalid, or its account is disabled at present (fact 8).
    Unauthorized,
    /// 429 (fact 15).
    RateLimited {
        /// The time to wait, counted from the response.
        retry_after: Option<Duration>,
    },
    /// 404.
    NotFound,
    /// 3xx. Redirects are not followed, because the token would be sent along.
    Redirect,
    /// Something other than JSON, such as a web page: a wrong address, or a proxy's login page.
    NotJson,
    /// The body is longer than `max_body_bytes`.
    TooLarge,
    /// 5xx.
    Server(u16),
    /// Any other status that is not a success.
    Refused(u16),
    /// Unexpected JSON, a broken encoding, or a response that is not HTTP.
    BadBody,
}

impl RestError {
    pub(super) fn new(kind: RestErrorKind, route: &'static str, message: impl Into<Box<str>>) -> Self {
        // A message of the JSON parser repeats values of the body.
        let message = String::from(Excerpt::of(&message.into())).into();
        Self { kind, route, id: None, message, source: None }
    }

    pub(super) fn from_transport(failure: TransportError, route: &'static str) -> Self {
        let kind = match failure.kind {
            TransportErrorKind::Unreachable => RestErrorKind::Unreachable,
            TransportErrorKind::Timeout => RestErrorKind::Timeout,
            TransportErrorKind::Tls => RestErrorKind::Tls,
            TransportErrorKind::NotHttp => RestErrorKind::BadBody,
            TransportErrorKind::Proxy => RestErrorKind::Proxy,
        };
        Self { kind, route, id: None, message: failure.message.into(), source: failure.source }
    }
}

/// The JSON body of an error response from Mattermost.
#[derive(Deserialize)]
pub(super) struct AppError {
    id: Box<str>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    pub(super) status_code: u16,
}

impl RestError {
    /// Creates the error for a status that is not a success. The body may be JSON, plain text (fact 15) or a
    /// web page.
    pub(super) fn from_status(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        route: &'static str,
    ) -> Self {
        let kind = match status.as_u16() {
            401 => RestErrorKind::Unauthorized,
            404 => RestErrorKind::NotFound,
            429 => RestErrorKind::RateLimited { retry_after: headers::retry_after(headers) },
            300..=399 => RestErrorKind::Redirect,
            status @ 500.. => RestErrorKind::Server(status),
            status => RestErrorKind::Refused(status),
        };
        if let Some(location) = headers::redirect_target(headers).filter(|_| kind == RestErrorKind::Redirect)
        {
            return Self::new(kind, route, excerpt(&format!("it redirects to {location}")));
        }
        match serde_json::from_slice::<AppError>(body) {
            Ok(app) => Self {
                id: Some(String::from(Excerpt::of(&app.id)).into()),
                ..Self::new(kind, route, excerpt(&app.message))
            },
            Err(_) if headers::foreign_encoding(headers).is_some() => {
                Self::new(kind, route, excerpt(&headers::foreign_encoding(headers).unwrap_or_default()))
            }
            Err(_) => Self::new(kind, route, excerpt(&String::from_utf8_lossy(body))),
        }
    }

    /// Creates the error that a server wrote into a body with status 200.
    pub(super) fn embedded(app: &AppError, route: &'static str) -> Self {
        let status = StatusCode::from_u16(app.status_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = Self::from_status(status, &HeaderMap::new(), b"", route).kind;
        Self {
            id: Some(String::from(Excerpt::of(&app.id)).into()),
            ..Self::new(kind, route, excerpt(&app.message))
        }
    }

    /// True if Mattermost itself gave this answer, and not a proxy before it.
    pub fn is_servers_own(&self) -> bool {
        self.id.is_some()
    }

    /// Returns the way to fix the underlying cause, such as a certificate or a proxy, if it is known.
    pub fn remedy(&self) -> Option<String> {
        remedy_of(self.source.as_ref())
    }

    /// Removes the token from the message, in case a server or a proxy repeated it.
    pub(super) fn redact(mut self, token: Option<&Token>) -> Self {
        if let Some(token) = token.filter(|token| self.message.contains(token.expose())) {
            self.message = self.message.replace(token.expose(), "…").into();
        }
        self
    }
}

/// Returns the beginning of a text as one line. The content of a web page is left out.
pub(super) fn excerpt(text: &str) -> String {
    let text = text.trim();
    if text.starts_with('<') {
        return "a web page".to_owned();
    }
    Excerpt::of(text).into()
}

impl fmt::Display for RestErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => TransportErrorKind::Unreachable.fmt(f),
            Self::Timeout => TransportErrorKind::Timeout.fmt(f),
            Self::Tls => TransportErrorKind::Tls.fmt(f),
            Self::Proxy => TransportErrorKind::Proxy.fmt(f),
            Self::Unauthorized => f.write_str("the token was refused (401)"),
            Self::RateLimited { retry_after: Some(wait) } => {
                write!(f, "the rate limit is reached (429); retry in {} s", wait.as_secs())
            }
            Self::RateLimited { retry_after: None } => f.write_str("the rate limit is reached (429)"),
            Self::NotFound => f.write_str("not found (404)"),
            Self::Redirect => f.write_str(REDIRECT_TEXT),
            Self::NotJson => f.write_str("the response is not JSON; is this the address of Mattermost?"),
            Self::TooLarge => f.write_str("the response is longer than max_body_bytes"),
            Self::Server(status) => write!(f, "the server failed ({status})"),
            Self::Refused(status) => write!(f, "the server refused ({status})"),
            Self::BadBody => f.write_str("the response cannot be parsed"),
        }
    }
}

impl fmt::Display for RestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.route)?;
        write_error(f, &self.kind, &self.message)
    }
}

impl std::error::Error for RestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}
