//! Sinks as a table and in detail, those in trouble first.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Row, Table, presets::NOTHING};
use matterhost_actors::model::{Excerpt, printable};

use super::{text, watch::fit};
use crate::admin::dto::{Sink, SinkEvent};

/// The states, with those that need an operator first.
const ORDER: [&str; 5] = ["broken", "failed_to_start", "resting", "retrying", "running"];

/// The lines of a row, so that at 80 columns a cause is not cut to a few words.
const MAX_LINES: usize = 3;

/// An event without an answer for that long is worth a word: most handlers answer sooner.
const SLOW_AFTER: Duration = Duration::from_secs(10);

/// Formats a table of sinks with at most `max_lines` lines, and a summary below it.
pub(super) fn table(sinks: &[Sink], max_lines: usize, colored: bool) -> String {
    if sinks.is_empty() {
        return "No account uses a sink.\n".into();
    }
    let mut sorted: Vec<_> = sinks.iter().collect();
    sorted.sort_by_key(|sink| (rank(&sink.state), &sink.name));
    let troubled = sorted.iter().filter(|sink| sink.state != "running").count();
    let summary = match troubled {
        0 => format!("{} running\n", sinks.len()),
        _ => format!(
            "{troubled} of {} in trouble; `matterhost sinks NAME` shows everything about one\n",
            sinks.len()
        ),
    };
    fit(&sorted, max_lines, MAX_LINES, |sinks| rows(sinks, colored).trim_fmt()) + &summary
}

fn rows(sinks: &[&Sink], colored: bool) -> Table {
    let now = SystemTime::now();
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let header = ["sink", "type", "state", "for", "waiting", "dead\nletters", "what it said last"];
    table.set_header(header.iter().map(|name| bold(name, colored)));
    table.add_rows(sinks.iter().map(|sink| {
        let mut row = Row::from(vec![
            Cell::new(Excerpt::of(&sink.name)),
            Cell::new(Excerpt::of(&sink.kind)),
            state(&sink.state, colored),
            Cell::new(text::ago(&sink.since, now)),
            Cell::new(sink.waiting),
            Cell::new(sink.dead_letters),
            Cell::new(printable(&trouble(sink, now))),
        ]);
        row.max_height(MAX_LINES);
        row
    }));
    table
}

fn rank(state: &str) -> usize {
    ORDER.iter().position(|known| *known == state).unwrap_or(0)
}

fn state(state: &str, colored: bool) -> Cell {
    let cell = Cell::new(Excerpt::of(&state.replace('_', " ")));
    match state {
        _ if !colored => cell,
        "running" => cell.fg(Color::Green),
        "retrying" => cell.fg(Color::Yellow),
        _ => cell.fg(Color::Red).add_attribute(Attribute::Bold),
    }
}

fn bold(text: &str, colored: bool) -> Cell {
    let cell = Cell::new(text);
    if colored { cell.add_attribute(Attribute::Bold) } else { cell }
}

/// Describes the trouble of a sink, and the next attempt; empty for one that runs and answers soon.
fn trouble(sink: &Sink, now: SystemTime) -> String {
    if sink.state == "running" {
        return slowness(sink, now).unwrap_or_default();
    }
    let said = match (&sink.last_exit, &sink.last_complaint) {
        (Some(exit), _) if sink.next_attempt.is_some() => exit.cause.clone(),
        (_, Some(complaint)) => complaint.text.clone(),
        (Some(exit), None) => exit.cause.clone(),
        (None, None) => String::new(),
    };
    let next = sink.next_attempt.as_ref().map(|next| format!("next attempt {}", text::until(next, now)));
    [Some(said), next].into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Describes the events that a sink has not answered for long.
fn slowness(sink: &Sink, now: SystemTime) -> Option<String> {
    let unanswered = sink.events.iter().filter(|event| event.next_attempt.is_none());
    let oldest = unanswered.map(|event| text::age(&event.since, now)).max()?;
    let count = sink.unanswered;
    (oldest >= SLOW_AFTER).then(|| format!("{count} not answered, the oldest for {}", text::time(oldest)))
}

/// Formats everything known about one sink.
pub(super) fn detail(sink: &Sink, colored: bool) -> String {
    let now = SystemTime::now();
    let mut table = Table::new();
    table.load_preset(NOTHING);
    let mut line = |key: &str, value: String| {
        table.add_row([bold(key, colored), Cell::new(printable(&value))]);
    };
    let best_effort = if sink.best_effort { ", best effort" } else { "" };
    line("sink", format!("{} ({}{best_effort})", sink.name, sink.kind));
    line("state", format!("{} for {}", sink.state.replace('_', " "), text::ago(&sink.since, now)));
    if let Some(next) = &sink.next_attempt {
        line("next attempt", text::until(next, now));
    }
    if let Some(said) = &sink.last_complaint {
        let ago = text::ago(&said.at, now);
        line("said last", format!("{} ({ago} ago)", said.text));
        line("about", format!("event {}, channel {}, account {}", said.event, said.channel, said.account));
    }
    if let Some(exit) = &sink.last_exit {
        line("last exit", format!("{} ({} ago)", exit.cause, text::ago(&exit.at, now)));
    }
    if sink.starts > 0 {
        line("starts", sink.starts.to_string());
    }
    if let Some(budget) = sink.budget {
        line("budget", format!("{} failures left, {} used", budget.left, budget.used));
    }
    line("waiting", format!("{} to be tried again, {} not answered", sink.waiting, sink.unanswered));
    if let Some(slots) = sink.slots {
        line("slots", format!("{slots}, in use: {}", slots_in_use(sink)));
    }
    if !sink.filtered.is_empty() {
        line("left out", filtered(sink));
    }
    if sink.lost > 0 {
        line("missed", format!("{} events, because it does not keep up (best_effort)", sink.lost));
    }
    line("dead letters", sink.dead_letters.to_string());
    line("accounts", accounts(sink));
    let mut text = table.trim_fmt();
    text.push('\n');
    write_lines(sink, &mut text);
    for event in &sink.events {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {}", printable(&event_line(event, now)));
    }
    if sink.waiting > 0 {
        let name = &sink.name;
        let _ = writeln!(
            text,
            "`matterhost sink retry-now {name}` tries them at once; \
             `matterhost sink skip {name} --account A --channel C` makes one a dead letter"
        );
    }
    text
}

fn slots_in_use(sink: &Sink) -> String {
    let used: Vec<_> =
        sink.slots_in_use.iter().map(|used| format!("{} {}", used.slots, used.account)).collect();
    if used.is_empty() { "none".into() } else { used.join(", ") }
}

/// Describes the events that the filter left out, by the key that decided.
fn filtered(sink: &Sink) -> String {
    let counts = sink.filtered.iter().map(|filtered| format!("{} by {}", filtered.events, filtered.key));
    format!("{} (keys of its filter)", counts.collect::<Vec<_>>().join(", "))
}

fn accounts(sink: &Sink) -> String {
    let more = sink.account_count.saturating_sub(sink.accounts.len());
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    sink.accounts.join(", ") + &more
}

fn write_lines(sink: &Sink, text: &mut String) {
    if sink.last_lines.is_empty() {
        return;
    }
    text.push_str("its last lines on standard error:\n");
    for line in &sink.last_lines {
        let _ = writeln!(text, "  | {}", printable(line));
    }
}

fn event_line(event: &SinkEvent, now: SystemTime) -> String {
    let SinkEvent { account, channel, event: id, since, attempts, .. } = event;
    let what = format!("event {id} of account {account}, channel {channel}");
    let since = text::ago(since, now);
    match (&event.next_attempt, &event.cause) {
        (Some(next), Some(cause)) => {
            let next = text::until(next, now);
            format!("waits for {since}: {what}; {attempts} attempts, next {next}: {cause}")
        }
        _ => format!("not answered for {since}: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        admin::dto::{FilteredEvents, SinkBudget, SinkComplaint, SinkExit, SlotUse},
        telemetry::time::rfc3339,
    };

    fn troubled_sink() -> Sink {
        let now = rfc3339(SystemTime::now());
        let far = rfc3339(SystemTime::now() + Duration::from_secs(3_600));
        Sink {
            name: "child".into(),
            kind: "exec".into(),
            best_effort: false,
            state: "failed_to_start".into(),
            since: now.clone(),
            next_attempt: Some(far.clone()),
            last_complaint: Some(SinkComplaint {
                at: now.clone(),
                text: "the handler is not running".into(),
                account: "a".into(),
                channel: "c".into(),
                event: "p1".into(),
            }),
            last_exit: Some(SinkExit { at: now.clone(), cause: "no such file".into() }),
            last_lines: vec!["bad \u{1b}[2J line".into()],
            starts: 3,
            budget: Some(SinkBudget { left: 0, used: 5 }),
            slots: Some(64),
            slots_in_use: vec![SlotUse { account: "a".into(), slots: 2 }],
            waiting: 1,
            unanswered: 0,
            events: vec![SinkEvent {
                account: "a".into(),
                channel: "c".into(),
                event: "p1".into(),
                since: now,
                attempts: 4,
                next_attempt: Some(far),
                cause: Some("500".into()),
            }],
            filtered: vec![
                FilteredEvents { key: "events".into(), events: 40 },
                FilteredEvents { key: "recovered".into(), events: 3 },
            ],
            lost: 2,
            dead_letters: 7,
            accounts: vec!["a".into()],
            account_count: 12,
        }
    }

    #[test]
    fn a_sink_in_trouble_comes_first_with_its_cause() {
        let sinks = [Sink { name: "a".into(), state: "running".into(), ..troubled_sink() }, troubled_sink()];
        let table = table(&sinks, usize::MAX, false);
        let rows: Vec<_> = table.lines().collect();
        assert!(rows[2].trim_start().starts_with("child") && rows[2].contains("failed to start"), "{table}");
        assert!(table.contains("no such file; next attempt in 59 min"), "{table}");
        assert!(table.ends_with("1 of 2 in trouble; `matterhost sinks NAME` shows everything about one\n"));
    }

    #[test]
    fn as_many_sinks_are_shown_as_fit() {
        let sinks: Vec<_> =
            (0..1_000).map(|n| Sink { name: format!("child@bot-{n}"), ..troubled_sink() }).collect();
        let table = table(&sinks, 20, false);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 22, "{table}");
        assert_eq!(lines[20], "… and 982 more", "{table}");
        assert!(lines[21].starts_with("1000 of 1000 in trouble"), "{table}");
    }

    #[test]
    fn a_running_sink_that_leaves_an_event_unanswered_says_so() {
        let now = SystemTime::now();
        for (age, expected) in [(5, ""), (45, "3 not answered, the oldest for 45 s")] {
            let since = rfc3339(now - Duration::from_secs(age));
            let [event] = &troubled_sink().events[..] else { panic!() };
            let event = SinkEvent { since, next_attempt: None, cause: None, ..event.clone() };
            let sink =
                Sink { state: "running".into(), unanswered: 3, events: vec![event], ..troubled_sink() };
            assert_eq!(trouble(&sink, now), expected);
        }
    }

    #[test]
    fn the_details_name_the_event_and_the_remedy_and_hold_no_escapes() {
        let detail = detail(&troubled_sink(), false);
        for expected in [
            "event p1, channel c, account a",
            "0 failures left, 5 used",
            "64, in use: 2 a",
            "a, and 11 more",
            "4 attempts, next in 59 min",
            "40 by events, 3 by recovered",
            "2 events, because it does not keep up",
            "matterhost sink retry-now child",
        ] {
            assert!(detail.contains(expected), "{expected} is missing in\n{detail}");
        }
        assert!(!detail.contains('\u{1b}'), "{detail:?}");
    }
}
