//! Formats an account's data for a terminal.

use std::time::{Duration, SystemTime};

use matterhost_actors::model::{Excerpt, printable};

use crate::{
    admin::dto::{Account, Ending, RefusedEvent, UNKNOWN_STATE},
    telemetry::time::millis,
};

/// The most characters of a cause in the details of an account: room for the names in a certificate and for a remedy.
const MAX_CAUSE_CHARS: usize = 1_000;

/// Formats the reason of an ending and how long the account was away. `open`: this ending is the account's newest and it
/// is not ready again yet.
pub(super) fn ending(ending: &Ending, open: bool) -> String {
    with_cause(ending, open, Excerpt::of(&ending.cause).into())
}

/// Formats the same with the whole cause and its remedy.
pub(super) fn whole_ending(ending: &Ending, open: bool) -> String {
    let cause: String = ending.cause.replace('\n', " ").chars().take(MAX_CAUSE_CHARS).collect();
    with_cause(ending, open, printable(&cause))
}

fn with_cause(ending: &Ending, open: bool, cause: String) -> String {
    let why = match &*ending.reason {
        "stale" | "deaf" | "unauthorized" if ending.seen_by_sibling => {
            format!("{}: another account saw it change", ending.reason)
        }
        _ => cause,
    };
    let charged = if ending.charged { ", charged" } else { "" };
    match ending.back_after_ms {
        Some(ms) => format!("{why}{charged}; back after {}", time(Duration::from_millis(ms))),
        None if open => format!("{why}{charged}; not back yet"),
        // Another ending came before the account was ready, or the host did not see it become ready.
        None => format!("{why}{charged}"),
    }
}

/// Describes what an account is doing now, if that is more than its state says.
pub(super) fn activity(account: &Account, now: SystemTime) -> Option<String> {
    if account.state == UNKNOWN_STATE {
        return Some(match &account.member {
            Some(member) => format!("member {} does not answer", Excerpt::of(member)),
            None => "no member hosts it".to_owned(),
        });
    }
    if let Some(progress) = account.catching_up.filter(|_| account.state == "catching_up") {
        return Some(format!(
            "{} of {} channels, {} recovered",
            progress.done, progress.channels, progress.recovered
        ));
    }
    if let Some(trouble) = delivery_trouble(account, now) {
        return Some(trouble);
    }
    let next = account.next_attempt.as_deref()?;
    let wait = humantime::parse_rfc3339(next).ok()?.duration_since(now).unwrap_or_default();
    Some(format!("next attempt in {}", time(wait)))
}

/// Returns true if an event of the account waits for a sink, or nothing can be stored.
pub(super) fn is_delivery_trouble(account: &Account) -> bool {
    !account.stalled_by.is_empty() || account.waiting_event.is_some()
}

/// Describes the events that wait for a sink, and a store that accepts nothing.
fn delivery_trouble(account: &Account, now: SystemTime) -> Option<String> {
    let store =
        account.stalled_by.iter().any(|by| by == "store").then(|| "the state cannot be saved".to_owned());
    let waiting = account.waiting_event.as_ref().map(|event| {
        let channels = match account.waiting_channels {
            1 => "1 channel waits".to_owned(),
            count => format!("{count} channels wait"),
        };
        let (since, next) = (ago(&event.since, now), until(&event.next_attempt, now));
        format!("{channels} for {since}: {}; next attempt {next}", Excerpt::of(&event.cause))
    });
    let stalled = account.stalled_by.iter().any(|by| by == "sink") && waiting.is_none();
    let parts = [store, waiting, stalled.then(|| "no event can be handed over to its sink".to_owned())];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Describes an event that a sink did not accept.
pub(super) fn refused(event: &RefusedEvent, now: SystemTime) -> String {
    let RefusedEvent { channel, event: id, since, attempts, next_attempt, cause } = event;
    let (since, next) = (ago(since, now), until(next_attempt, now));
    format!(
        "event {id} in channel {channel} for {since}; {attempts} attempts, next {next}: {}",
        Excerpt::of(cause)
    )
}

/// Returns the time that has passed since then.
pub(super) fn age(time_of: &str, now: SystemTime) -> Duration {
    let since = humantime::parse_rfc3339(time_of).ok().and_then(|since| now.duration_since(since).ok());
    since.unwrap_or_default()
}

/// Formats the time that has passed since then.
pub(crate) fn ago(time_of: &str, now: SystemTime) -> String {
    time(age(time_of, now))
}

/// Formats the time until then, such as `in 12 s`.
pub(super) fn until(time_of: &str, now: SystemTime) -> String {
    let wait = humantime::parse_rfc3339(time_of).ok().and_then(|then| then.duration_since(now).ok());
    wait.map_or_else(|| "now".to_owned(), |wait| format!("in {}", time(wait)))
}

/// Formats a duration in its two largest units.
pub(super) fn time(time: Duration) -> String {
    let ms = millis(time);
    let seconds = ms / 1_000;
    match seconds {
        0 if ms < 100 => format!("{ms} ms"),
        0..=9 => format!("{}.{} s", seconds, ms % 1_000 / 100),
        10..=59 => format!("{seconds} s"),
        60..=3_599 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..=86_399 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn sample_ending(
        reason: &str,
        seen_by_sibling: bool,
        back_after_ms: Option<u64>,
    ) -> Ending {
        Ending {
            at: String::new(),
            generation: 1,
            reason: reason.into(),
            class: "recycle".into(),
            cause: format!("{reason}: in words"),
            charged: false,
            seen_by_sibling,
            ready_for_ms: None,
            back_after_ms,
        }
    }

    #[test]
    fn an_ending_says_why_and_whether_it_is_over() {
        for (given, expected) in [
            (
                sample_ending("stale", true, Some(412)),
                "stale: another account saw it change; back after 0.4 s",
            ),
            (sample_ending("deaf", false, Some(61_000)), "deaf: in words; back after 1 min 1 s"),
            (sample_ending("dropped", true, None), "dropped: in words; not back yet"),
        ] {
            assert_eq!(ending(&given, true), expected);
        }
        assert_eq!(ending(&sample_ending("dropped", true, None), false), "dropped: in words");
        let charged = Ending { charged: true, ..sample_ending("protocol", false, None) };
        assert_eq!(ending(&charged, true), "protocol: in words, charged; not back yet");
    }

    #[test]
    fn an_ending_of_another_host_has_no_escapes_and_is_short() {
        let mut given = sample_ending("closed", false, None);
        given.cause = format!("\u{1b}[2J\n{}", "x".repeat(2_000));
        for (shown, chars) in [(ending(&given, false), 200), (whole_ending(&given, false), MAX_CAUSE_CHARS)] {
            assert!(shown.starts_with("\u{fffd}[2J xxx") && shown.chars().count() == chars, "{shown}");
        }
    }

    #[test]
    fn times_are_short() {
        for (ms, expected) in [
            (0, "0 ms"),
            (49, "49 ms"),
            (412, "0.4 s"),
            (9_999, "9.9 s"),
            (59_999, "59 s"),
            (3_599_000, "59 min 59 s"),
            (3_600_000, "1 h 0 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(time(Duration::from_millis(ms)), expected);
        }
    }
}
