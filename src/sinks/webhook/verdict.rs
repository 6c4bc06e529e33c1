//! The result of a request to a handler.

use std::time::{Duration, SystemTime};

use awc::http::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};

use crate::sinks::reply::{Reply, ReplyParseError};

/// The longest pause that a handler can ask for; it may be ready sooner than it said.
const MAX_PAUSE: Duration = Duration::from_secs(3600);

/// The result of a request.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// The handler took the events, even if its answer cannot be used.
    Accepted(Result<Vec<Reply>, ReplyParseError>),
    /// A transient failure.
    RetryLater {
        cause: String,
        /// The time for which the handler wants no requests at all.
        pause: Option<Duration>,
    },
    /// A permanent refusal.
    Refused { cause: String },
}

/// Returns the verdict for a status other than 2xx.
pub(super) fn for_status(status: StatusCode, headers: &HeaderMap) -> Verdict {
    let cause = format!("the handler answered {status}");
    match status.as_u16() {
        300..=399 => Verdict::RetryLater {
            cause: format!("{cause}; redirects are not followed; set url to the final address"),
            pause: None,
        },
        408 | 429 | 500..=599 => {
            Verdict::RetryLater { cause, pause: retry_after(headers, SystemTime::now()) }
        }
        400..=499 => Verdict::Refused { cause },
        _ => Verdict::RetryLater { cause: format!("{cause}, which is not a valid answer"), pause: None },
    }
}

/// Returns the pause in `Retry-After`, which is in seconds or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(pause.min(MAX_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> Verdict {
        for_status(StatusCode::from_u16(code).unwrap(), &HeaderMap::new())
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_cannot_is_refused() {
        for code in [408, 429, 500, 502, 503, 599, 301, 307, 308, 304, 199] {
            assert!(matches!(status(code), Verdict::RetryLater { pause: None, .. }), "{code}");
        }
        for code in [400, 401, 403, 404, 405, 410, 413, 415, 422, 451, 499] {
            assert!(matches!(status(code), Verdict::Refused { .. }), "{code}");
        }
        let Verdict::RetryLater { cause, .. } = status(302) else { panic!("not later") };
        assert!(cause.contains("302 Found") && cause.contains("redirects are not followed"), "{cause}");
    }

    #[test]
    fn a_pause_is_read_in_seconds_and_as_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let pause = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(pause("7"), Some(Duration::from_secs(7)));
        assert_eq!(pause("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(pause("Sun, 06 Nov 1994 08:40:37 GMT"), Some(Duration::ZERO));
        assert_eq!(pause("99999999999"), Some(MAX_PAUSE));
        assert_eq!(pause("soon"), None);
    }
}
