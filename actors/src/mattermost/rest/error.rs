//! Why a REST request failed.

use std::{fmt, io, time::Duration};

use actix_http::{StatusCode, header::HeaderMap};
use serde::Deserialize;

use super::{
    failure::{TransportError, TransportErrorKind},
    headers,
};
use crate::model::Token;

/// How much of a plain-text body is shown, in characters.
const SHOWN: usize = 200;

/// A failed request: what kind of failure, on which route, and what the server said.
///
/// It can be shown: there is no token and no query in it.
#[derive(Debug)]
pub struct RestError {
    /// What callers branch on.
    pub kind: RestErrorKind,
    /// The route, without server and query.
    pub route: &'static str,
    /// Mattermost's name of the error, where the body has one
    /// (`api.context.session_expired.app_error`).
    pub id: Option<Box<str>>,
    /// What a person should read. May be empty.
    pub message: Box<str>,
    /// The error beneath.
    pub source: Option<io::Error>,
}

/// The kinds of failure that call for different answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestErrorKind {
    /// No connection, or it broke before the answer was whole.
    Unreachable,
    /// It took too long.
    Timeout,
    /// TLS or the certificate was refused.
    Tls,
    /// 401: the token is not, or not now, anyone's (fact 8).
    Unauthorized,
    /// 429 (fact 15).
    RateLimited {
        /// How long to wait, counted from the answer.
        retry_after: Option<Duration>,
    },
    /// 404.
    NotFound,
    /// 3xx. Redirects are not followed: the token would go along.
    Redirect,
    /// Something other than JSON, such as a web page: a wrong address, or a proxy's login page.
    NotJson,
    /// The body is longer than `max_body_bytes`.
    TooLarge,
    /// 5xx.
    Server(u16),
    /// Any other status that is no success.
    Refused(u16),
    /// JSON of another shape, a broken encoding, or no HTTP at all.
    BadBody,
}

impl RestError {
    pub(in crate::mattermost) fn new(
        kind: RestErrorKind,
        route: &'static str,
        message: impl Into<Box<str>>,
    ) -> Self {
        Self { kind, route, id: None, message: message.into(), source: None }
    }

    pub(in crate::mattermost) fn failed(failure: TransportError, route: &'static str) -> Self {
        let kind = match failure.kind {
            TransportErrorKind::Unreachable => RestErrorKind::Unreachable,
            TransportErrorKind::Timeout => RestErrorKind::Timeout,
            TransportErrorKind::Tls => RestErrorKind::Tls,
            TransportErrorKind::NotHttp => RestErrorKind::BadBody,
        };
        Self { kind, route, id: None, message: failure.message.into(), source: failure.source }
    }
}

/// What Mattermost says in JSON about a failure.
#[derive(Deserialize)]
pub(in crate::mattermost) struct AppError {
    id: Box<str>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    pub(in crate::mattermost) status_code: u16,
}

impl RestError {
    /// An answer whose status is no success. The body may be JSON, plain text (fact 15) or a page.
    pub(in crate::mattermost) fn refused(
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
        match serde_json::from_slice::<AppError>(body) {
            Ok(app) => Self { id: Some(app.id), ..Self::new(kind, route, readable(&app.message)) },
            Err(_) => Self::new(kind, route, readable(&String::from_utf8_lossy(body))),
        }
    }

    /// The same without the token, should a server or a proxy repeat it.
    pub(in crate::mattermost) fn without(mut self, token: Option<&Token>) -> Self {
        if let Some(token) = token.filter(|token| self.message.contains(token.expose())) {
            self.message = self.message.replace(token.expose(), "…").into();
        }
        self
    }
}

/// One line of a text, not too long. A web page is left out.
fn readable(text: &str) -> String {
    let text = text.trim();
    if text.starts_with('<') {
        return "a web page".to_owned();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect()
}

impl fmt::Display for RestErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("the server cannot be reached"),
            Self::Timeout => f.write_str("the server took too long"),
            Self::Tls => f.write_str("TLS failed"),
            Self::Unauthorized => f.write_str("the token was refused (401)"),
            Self::RateLimited { retry_after: Some(wait) } => {
                write!(f, "the rate limit is reached (429), again in {} s", wait.as_secs())
            }
            Self::RateLimited { retry_after: None } => f.write_str("the rate limit is reached (429)"),
            Self::NotFound => f.write_str("not found (404)"),
            Self::Redirect => f.write_str("the server redirects elsewhere; set its final address"),
            Self::NotJson => f.write_str("the answer is not JSON; is this the address of Mattermost?"),
            Self::TooLarge => f.write_str("the answer is longer than max_body_bytes"),
            Self::Server(status) => write!(f, "the server failed ({status})"),
            Self::Refused(status) => write!(f, "the server refused ({status})"),
            Self::BadBody => f.write_str("the answer cannot be understood"),
        }
    }
}

impl fmt::Display for RestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.route, self.kind)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for RestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}
