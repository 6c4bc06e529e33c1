//! The response headers that the client reads.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use actix_http::header::{HeaderMap, HttpDate};

pub use crate::policy::RateHeaders;

/// The entity tag of a response, which the next request sends as `If-None-Match` (fact 9).
#[derive(Clone, PartialEq, Eq)]
pub struct Etag(Box<str>);

impl RateHeaders {
    /// Reads the three headers; `None` if one is missing or invalid.
    pub(in crate::mattermost) fn read(headers: &HeaderMap) -> Option<Self> {
        Some(Self {
            limit: number(headers, "x-ratelimit-limit")?.try_into().ok()?,
            remaining: number(headers, "x-ratelimit-remaining")?.try_into().ok()?,
            reset: Duration::from_secs(number(headers, "x-ratelimit-reset")?),
        })
    }
}

impl Etag {
    /// Creates a tag from the server's text.
    pub fn new(etag: &str) -> Self {
        Self(etag.into())
    }

    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        text(headers, "etag").filter(|etag| !etag.is_empty()).map(|etag| Self(etag.into()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Etag({})", self.0)
    }
}

/// Reads the `Date`, in milliseconds: the clock of the server, or of a proxy that replaced it.
pub(super) fn date(headers: &HeaderMap) -> Option<i64> {
    let date = SystemTime::from(text(headers, "date")?.parse::<HttpDate>().ok()?);
    i64::try_from(date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// Reads `Retry-After` in seconds. The form with a date is ignored: Mattermost never sends it.
pub(in crate::mattermost) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    number(headers, "retry-after").map(Duration::from_secs)
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

pub(super) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}
