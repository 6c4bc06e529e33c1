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

/// Names the encoding of a body that was compressed in a way that was not asked for, such as `br`; `None` for one that can
/// be read.
pub fn foreign_encoding(headers: &HeaderMap) -> Option<String> {
    /// The longest part of the header that is shown.
    const SHOWN: usize = 40;
    /// The encodings that the HTTP client asks for and reads.
    const KNOWN: [&str; 5] = ["gzip", "x-gzip", "deflate", "identity", ""];
    let encoding = headers.get("content-encoding")?;
    let encoding = String::from_utf8_lossy(encoding.as_bytes()).trim().to_ascii_lowercase();
    if KNOWN.contains(&encoding.as_str()) {
        return None;
    }
    let shown: String = encoding.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(SHOWN).collect();
    Some(format!(
        "the body is encoded with {shown}, which was not asked for (Accept-Encoding: gzip); a proxy on the way must not \
         encode it otherwise"
    ))
}

/// Reads the server that a redirect leads to. Paths and queries are left out, as they may hold anything.
pub(in crate::mattermost) fn redirect_target(headers: &HeaderMap) -> Option<String> {
    /// The longest part that is shown.
    const SHOWN: usize = 100;
    let target = url::Url::parse(text(headers, "location")?).ok()?;
    Some(target.origin().ascii_serialization().chars().take(SHOWN).collect())
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

pub(super) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}
