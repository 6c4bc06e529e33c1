//! The few headers that mean something.

use std::{fmt, time::Duration};

use actix_http::header::HeaderMap;

pub use crate::policy::RateHeaders;

/// The mark of one version of an answer, to be sent back as `If-None-Match` (fact 9).
#[derive(Clone, PartialEq, Eq)]
pub struct Etag(Box<str>);

impl RateHeaders {
    /// All three headers, or nothing.
    pub(in crate::mattermost) fn read(headers: &HeaderMap) -> Option<Self> {
        Some(Self {
            limit: number(headers, "x-ratelimit-limit")?.try_into().ok()?,
            remaining: number(headers, "x-ratelimit-remaining")?.try_into().ok()?,
            reset: Duration::from_secs(number(headers, "x-ratelimit-reset")?),
        })
    }
}

impl Etag {
    /// A mark as a server wrote it.
    pub fn new(etag: &str) -> Self {
        Self(etag.into())
    }

    pub(in crate::mattermost) fn read(headers: &HeaderMap) -> Option<Self> {
        text(headers, "etag").filter(|etag| !etag.is_empty()).map(|etag| Self(etag.into()))
    }

    pub(in crate::mattermost) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Etag({})", self.0)
    }
}

/// `Retry-After` in seconds from now. The form with a date is left alone: Mattermost never sends it.
pub(in crate::mattermost) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    number(headers, "retry-after").map(Duration::from_secs)
}

pub(in crate::mattermost) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

pub(in crate::mattermost) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}
