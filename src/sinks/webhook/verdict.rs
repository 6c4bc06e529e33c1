//! The result of a request to a handler.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use awc::http::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};

use matterhost_actors::model::Excerpt;

use crate::sinks::{
    failing_events::Failure,
    reply::{HandlerAction, ReplyParseError},
};

/// The longest pause that a handler can ask for. People wait for its answers, and it may be ready sooner than it said.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(600);

/// The result of a request.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// The handler took the events, even if its answer cannot be used.
    Accepted(Result<Vec<HandlerAction>, ReplyParseError>),
    /// A transient failure.
    RetryLater {
        failure: Failure,
        cause: String,
        /// The time for which the handler wants no request.
        pause: Option<Duration>,
    },
    /// A permanent refusal.
    Refused { cause: String },
}

impl Verdict {
    /// A transient failure without a wish of the handler.
    pub(super) fn failed(failure: Failure, cause: String) -> Self {
        Self::RetryLater { failure, cause, pause: None }
    }
}

/// Returns the verdict for a status other than 2xx. `reject_on` holds the statuses that refuse an event.
pub(super) fn for_status(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    reject_on: &BTreeSet<u16>,
) -> Verdict {
    let code = status.as_u16();
    let cause = describe(status, body);
    if reject_on.contains(&code) {
        return Verdict::Refused { cause };
    }
    let pause = retry_after(headers, SystemTime::now());
    match code {
        300..=399 => Verdict::failed(
            Failure::Handler,
            format!("{cause}; redirects are not followed; set url to the final address"),
        ),
        429 | 502..=504 => Verdict::RetryLater { failure: Failure::Handler, cause, pause },
        408 | 500..=599 => Verdict::RetryLater { failure: Failure::Event, cause, pause },
        401 | 403 => Verdict::failed(Failure::Handler, format!("{cause}; check the secret on both sides")),
        404 | 405 | 410 => Verdict::failed(Failure::Handler, format!("{cause}; check the url")),
        400..=499 => Verdict::RetryLater { failure: Failure::Handler, cause, pause },
        _ => Verdict::failed(Failure::Handler, format!("{cause}, which is not a valid answer")),
    }
}

fn describe(status: StatusCode, body: &[u8]) -> String {
    let said = Excerpt::of(&String::from_utf8_lossy(body));
    if said.is_empty() {
        format!("the handler answered {status}")
    } else {
        format!("the handler answered {status}: {said}")
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
    use matterhost_actors::model::MAX_EXCERPT_CHARS;

    use super::*;

    fn status(code: u16) -> Verdict {
        let reject_on = BTreeSet::from([400, 422]);
        for_status(StatusCode::from_u16(code).unwrap(), &HeaderMap::new(), b"", &reject_on)
    }

    #[test]
    fn only_the_configured_statuses_refuse_an_event() {
        for code in (300..600).filter(|code| ![400, 422].contains(code)) {
            assert!(matches!(status(code), Verdict::RetryLater { pause: None, .. }), "{code}");
        }
        for code in [400, 422] {
            assert!(matches!(status(code), Verdict::Refused { .. }), "{code}");
        }
    }

    #[test]
    fn a_failure_is_of_the_event_or_of_the_handler() {
        for (codes, expected) in [
            (&[408, 500, 501, 505, 599][..], Failure::Event),
            (
                &[199, 301, 302, 304, 401, 403, 404, 405, 409, 410, 418, 429, 451, 502, 503, 504],
                Failure::Handler,
            ),
        ] {
            for code in codes {
                let Verdict::RetryLater { failure, .. } = status(*code) else { panic!("{code} refuses") };
                assert_eq!(failure, expected, "{code}");
            }
        }
    }

    #[test]
    fn the_cause_has_a_remedy_and_the_handlers_words() {
        for (code, remedy) in
            [(302, "redirects are not followed"), (401, "check the secret"), (404, "check the url")]
        {
            let Verdict::RetryLater { cause, .. } = status(code) else { panic!("{code} refuses") };
            assert!(cause.contains(remedy), "{cause}");
        }
        let said = describe(StatusCode::INTERNAL_SERVER_ERROR, b" no\nroom ");
        assert_eq!(said, "the handler answered 500 Internal Server Error: no room");
        let said = describe(StatusCode::CONFLICT, "no\u{1b}[2J\u{202e}\u{200b} room".as_bytes());
        assert_eq!(said, "the handler answered 409 Conflict: no\u{fffd}[2J\u{fffd}\u{fffd} room");
        let said = describe(StatusCode::CONFLICT, "x".repeat(300).as_bytes());
        let shown = said.strip_prefix("the handler answered 409 Conflict: ").unwrap();
        assert_eq!(shown.chars().count(), MAX_EXCERPT_CHARS, "with the mark of the cut");
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
