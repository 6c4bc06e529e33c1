//! The target of the fuzzer that answers requests as a handler.

use std::{collections::BTreeSet, sync::Arc};

use awc::http::{
    StatusCode,
    header::{HeaderMap, HeaderValue, RETRY_AFTER},
};

use super::verdict::{MAX_PAUSE, Verdict, for_status};
use crate::{
    actions::MAX_ACTIONS,
    sinks::{message::Message, reply},
};

/// The longest cause, in characters: an excerpt of the answer, its status and a hint.
const MAX_CAUSE_CHARS: usize = 400;

/// Reads an answer: a line with the status, one with the content type, one with the pause that is asked for, and the body.
pub fn webhook_answers(answer: &[u8]) {
    let mut parts = answer.splitn(4, |byte| *byte == b'\n');
    let mut line = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (status, content_type, pause) = (line(), line(), line());
    let body = parts.next().unwrap_or_default();
    let status = status.parse().ok().and_then(|code: u16| StatusCode::from_u16(code).ok());
    match status.filter(|status| !status.is_success()) {
        Some(status) => check_refusal(status, &pause, body),
        None => check_answer(&content_type, body),
    }
}

fn check_refusal(status: StatusCode, pause: &str, body: &[u8]) {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(pause) {
        headers.insert(RETRY_AFTER, value);
    }
    match for_status(status, &headers, body, &BTreeSet::from([400, 422])) {
        Verdict::Accepted(_) => unreachable!("{status} accepts the events"),
        Verdict::Refused { cause } => check(&cause),
        Verdict::RetryLater { cause, pause, .. } => {
            check(&cause);
            assert!(pause.is_none_or(|pause| pause <= MAX_PAUSE));
        }
    }
}

fn check_answer(content_type: &str, body: &[u8]) {
    let event = Message::parse(super::super::fuzzing::EVENT).unwrap_or_else(|| unreachable!());
    match reply::parse(body, Some(content_type), &[&event], &Arc::from("fuzzed"), 0) {
        Ok(actions) => {
            assert!(actions.len() <= MAX_ACTIONS);
            let posts = actions.iter().filter(|action| action.is_post());
            for (index, action) in posts.enumerate() {
                assert_eq!((action.index, &action.event.channel), (index, &event.channel));
            }
        }
        Err(error) => check(&error.to_string()),
    }
}

fn check(cause: &str) {
    assert!(cause.chars().count() <= MAX_CAUSE_CHARS && !cause.contains(char::is_control), "{cause:?}");
}

/// Returns answers as handlers give them.
pub fn webhook_answer_seeds() -> Vec<Vec<u8>> {
    [
        "200\napplication/json\n\n{\"text\":\"hi\"}",
        "200\napplication/json; charset=utf-8\n\n[{\"to\":\"p1\",\"text\":\"hi\",\"in_thread\":true},{\"to\":\"p1\",\"props\":{\"a\":1}}]",
        "200\napplication/json\n\n[{\"action\":\"react\",\"emoji\":\"eyes\"},{\"action\":\"post\",\"id\":\"1\",\"target\":\"@ann\",\"text\":\"hi\"}]",
        "204\n\n\n",
        "400\ntext/plain\n\nno such thing",
        "429\n\n30\n",
        "503\ntext/html\nSun, 06 Nov 1994 08:49:37 GMT\n<html>",
    ]
    .map(Into::into)
    .into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::mutated::mutated;

    proptest! {
        #[test]
        fn changed_answers_are_read(answer in mutated(super::webhook_answer_seeds())) {
            super::webhook_answers(&answer);
        }
    }
}
