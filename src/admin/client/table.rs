//! Accounts as a table, the unhealthy ones first.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Row, Table, presets::NOTHING};
use matterhost_actors::model::{Excerpt, printable};

use super::text;
use crate::admin::dto::{Account, AccountDetail, Ending, Probe};

/// The states, with those that need an operator first.
const ORDER: [&str; 10] = [
    "tripped",
    "misconfigured",
    "blocked",
    "stalled",
    "backoff",
    "connecting",
    "catching_up",
    "stopping",
    "stopped",
    "ready",
];

/// The lines of a row of an account in trouble, so that at 80 columns its cause is not cut to a few words.
const MAX_LINES: usize = 4;
/// The last ending of a healthy account is of no interest after this time; the details keep it.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);

/// Formats a table of accounts with at most `max_rows` rows, and a summary below it.
pub(super) fn table(accounts: &[Account], max_rows: usize, colored: bool) -> String {
    let now = SystemTime::now();
    let mut sorted: Vec<_> = accounts.iter().collect();
    sorted.sort_by_key(|account| (rank(&account.state), account.name.clone()));
    let mut table = Table::new();
    table.load_preset(NOTHING);
    let header = ["account", "server", "state", "for", "events", "restarts\nleft", "why"];
    table.set_header(header.iter().map(|name| bold(name, colored)));
    // On a terminal each row is one line; `status NAME` has the rest.
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.add_rows(sorted.iter().take(max_rows).map(|account| {
        let mut row = Row::from(row(account, now, colored));
        row.max_height(if is_in_trouble(account) { MAX_LINES } else { 1 });
        row
    }));
    let mut text = table.trim_fmt();
    text.push('\n');
    if sorted.len() > max_rows {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "… and {} more", sorted.len() - max_rows);
    }
    text + &summary(accounts)
}

fn rank(state: &str) -> usize {
    ORDER.iter().position(|known| *known == state).unwrap_or(0)
}

fn row(account: &Account, now: SystemTime, colored: bool) -> Vec<Cell> {
    let unhealthy = !is_ready(account);
    let activity = text::activity(account, now);
    let is_recent = |ending: &&Ending| unhealthy || text::age(&ending.at, now) < FORGET_AFTER;
    let last = account.last_ending.as_ref().filter(is_recent);
    let last = last.map(|ending| text::ending(ending, unhealthy));
    let why = match (activity, last) {
        (Some(activity), Some(last)) if unhealthy && !text::is_delivery_trouble(account) => {
            format!("{last}; {activity}")
        }
        (Some(activity), _) => activity,
        (None, last) => last.unwrap_or_default(),
    };
    vec![
        Cell::new(Excerpt::of(&account.name)),
        Cell::new(Excerpt::of(&account.server)),
        state(&account.state, colored),
        Cell::new(text::ago(&account.since, now)),
        Cell::new(account.events),
        Cell::new(account.budget_left),
        Cell::new(printable(&why)),
    ]
}

/// True if the account is not ready, or some of its channels wait.
fn is_in_trouble(account: &Account) -> bool {
    !is_ready(account) || text::is_delivery_trouble(account)
}

fn is_ready(account: &Account) -> bool {
    account.state == "ready"
}

fn state(state: &str, colored: bool) -> Cell {
    let cell = Cell::new(Excerpt::from(state));
    if !colored {
        return cell;
    }
    match state {
        "ready" => cell.fg(Color::Green),
        "connecting" | "catching_up" | "backoff" | "stalled" => cell.fg(Color::Yellow),
        "stopped" | "stopping" => cell.fg(Color::DarkGrey),
        _ => cell.fg(Color::Red).add_attribute(Attribute::Bold),
    }
}

fn bold(text: &str, colored: bool) -> Cell {
    let cell = Cell::new(text);
    if colored { cell.add_attribute(Attribute::Bold) } else { cell }
}

/// Counts the accounts by state.
fn summary(accounts: &[Account]) -> String {
    if accounts.is_empty() {
        return "No accounts match.\n".into();
    }
    let counts = ORDER.iter().rev().filter_map(|state| {
        let count = accounts.iter().filter(|account| account.state == *state).count();
        (count > 0).then(|| format!("{count} {state}"))
    });
    format!("{}\n", counts.collect::<Vec<_>>().join(", "))
}

/// Formats everything known about one account.
pub(super) fn detail(detail: &AccountDetail, colored: bool) -> String {
    let now = SystemTime::now();
    let account = &detail.account;
    let mut table = Table::new();
    table.load_preset(NOTHING);
    let mut line = |key: &str, value: String| {
        table.add_row([bold(key, colored), Cell::new(printable(&value))]);
    };
    let bot = account.user.as_ref().map(|user| format!(" as @{user}")).unwrap_or_default();
    line("account", format!("{} on {}{bot}", account.name, account.server));
    line("sinks", account.sinks.join(", "));
    if let Some(source) = &account.source {
        line("source", source.clone());
    }
    line("state", format!("{} for {}", account.state, text::ago(&account.since, now)));
    if let Some(activity) = text::activity(account, now) {
        line("now", activity);
    }
    line("generation", format!("{} (restarts: {})", account.generation, account.restarts));
    line("events", format!("{}, last {}", account.events, ago(account.last_event.as_ref(), now)));
    line("recovered", account.recovered.to_string());
    line("restarts left", format!("{}, {} used", account.budget_left, account.restarts_in_window));
    line("queue", queue(detail));
    for refused in &detail.refused {
        line("waits", text::refused(refused, now));
    }
    line("poll", probe(detail.liveness.last_poll.as_ref(), now));
    line("ping", probe(detail.liveness.last_ping.as_ref(), now));
    line("audit", probe(detail.liveness.last_audit.as_ref(), now));
    line("sibling", ago(detail.liveness.last_sibling_report.as_ref(), now));
    let mut text = table.trim_fmt();
    text.push('\n');
    // Endings are newest first.
    for (n, ending) in detail.endings.iter().enumerate() {
        write_ending(ending, n == 0 && !is_ready(account), &mut text);
    }
    text
}

fn ago(at: Option<&String>, now: SystemTime) -> String {
    at.map_or("never".to_owned(), |at| format!("{} ago", text::ago(at, now)))
}

fn queue(detail: &AccountDetail) -> String {
    match (detail.waiting, detail.unacknowledged, detail.cursor_lag_ms) {
        (Some(waiting), Some(unacknowledged), Some(lag)) => {
            let lag = text::time(std::time::Duration::from_millis(lag));
            format!("{waiting} events waiting, {unacknowledged} unacknowledged, the oldest for {lag}")
        }
        _ => "unknown: the account's thread does not respond".to_owned(),
    }
}

fn probe(probe: Option<&Probe>, now: SystemTime) -> String {
    let Some(probe) = probe else { return "never".to_owned() };
    let result = Excerpt::from(probe.cause.as_deref().unwrap_or("ok"));
    format!("{result} ({} ago, in {} ms)", text::ago(&probe.at, now), probe.took_ms)
}

fn write_ending(ending: &Ending, open: bool, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {} #{} {}", ending.at, ending.generation, text::whole_ending(ending, open));
}
