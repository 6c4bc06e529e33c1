//! Accounts as a table, the unhealthy ones first.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Row, Table, presets::NOTHING};
use matterhost_actors::model::{Excerpt, printable};

use super::{text, watch::fit};
use crate::admin::dto::{Account, AccountDetail, Ending, Probe, UNKNOWN_STATE};

/// The states, with those that need an operator first.
const ORDER: [&str; 11] = [
    "tripped",
    "misconfigured",
    "blocked",
    UNKNOWN_STATE,
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

/// Formats a table of accounts with at most `max_lines` lines, and a summary below it.
pub(super) fn table(accounts: &[Account], max_lines: usize, colored: bool) -> String {
    table_with(accounts, max_lines, |accounts, columns| rows(accounts, columns, colored))
}

fn table_with(
    accounts: &[Account],
    max_lines: usize,
    rows: impl Fn(&[&Account], Columns) -> Table,
) -> String {
    let mut sorted: Vec<_> = accounts.iter().collect();
    sorted.sort_by_key(|account| (rank(&account.state), &account.name));
    let columns = Columns::of(accounts);
    let table = fit(&sorted, max_lines, MAX_LINES, |accounts| rows(accounts, columns).trim_fmt());
    table + &summary(accounts)
}

fn rows(accounts: &[&Account], columns: Columns, colored: bool) -> Table {
    let now = SystemTime::now();
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(columns.header().map(|name| bold(name, colored)));
    // On a terminal each row is one line; `status NAME` has the rest.
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.add_rows(accounts.iter().map(|account| {
        let mut row = Row::from(row(account, columns, now, colored));
        row.max_height(if is_in_trouble(account) { MAX_LINES } else { 1 });
        row
    }));
    table
}

fn rank(state: &str) -> usize {
    ORDER.iter().position(|known| *known == state).unwrap_or(0)
}

/// The columns that not every table has.
#[derive(Clone, Copy)]
struct Columns {
    /// Only in a cluster.
    member: bool,
    /// Left out in a cluster with one server, where the member needs the room.
    server: bool,
}

impl Columns {
    fn of(accounts: &[Account]) -> Self {
        let member = accounts.iter().any(|account| account.member.is_some());
        let servers: BTreeSet<_> = accounts.iter().map(|account| &account.server).collect();
        Self { member, server: !member || servers.len() > 1 }
    }

    fn header(self) -> impl Iterator<Item = &'static str> {
        let some = [("account", true), ("server", self.server), ("member", self.member)];
        let some = some.into_iter().filter_map(|(name, is_shown)| is_shown.then_some(name));
        some.chain(["state", "for", "events", "restarts\nleft", "why"])
    }
}

fn row(account: &Account, columns: Columns, now: SystemTime, colored: bool) -> Vec<Cell> {
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
    let member = || Cell::new(Excerpt::from(account.member.as_deref().unwrap_or("–")));
    let mut cells = vec![Cell::new(Excerpt::of(&account.name))];
    cells.extend(columns.server.then(|| Cell::new(Excerpt::of(&account.server))));
    cells.extend(columns.member.then(member));
    cells.extend([
        state(&account.state, colored),
        Cell::new(text::ago(&account.since, now)),
        Cell::new(account.events),
        Cell::new(account.budget_left),
        Cell::new(printable(&why)),
    ]);
    cells
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
    if let Some(member) = &account.member {
        line("member", member.clone());
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::client::text::tests::sample_ending;

    fn account(name: &str, server: &str, member: Option<&str>, state: &str) -> Account {
        let account = Account::unknown(name, server, member.map(Into::into), SystemTime::now());
        Account { state: state.into(), events: 12_345, budget_left: 5, ..account }
    }

    fn at_80_columns(accounts: &[Account]) -> String {
        table_of_80_columns(accounts, usize::MAX)
    }

    fn table_of_80_columns(accounts: &[Account], max_lines: usize) -> String {
        table_with(accounts, max_lines, |accounts, columns| {
            let mut table = rows(accounts, columns, false);
            table.set_width(80);
            table
        })
    }

    #[test]
    fn a_thousand_accounts_in_trouble_leave_the_header_and_the_summary_in_sight() {
        let cause = "the server does not answer: 127.0.0.1:8065: connection refused; it is tried again";
        let last_ending = Some(Ending { cause: cause.into(), ..sample_ending("unreachable", false, None) });
        let failed = |n| account(&format!("bot-{n}"), "main", None, "backoff");
        let accounts: Vec<_> =
            (0..1_000).map(|n| Account { last_ending: last_ending.clone(), ..failed(n) }).collect();
        let table = table_of_80_columns(&accounts, 20);
        let lines: Vec<_> = table.lines().collect();
        assert!(lines[0].trim_start().starts_with("account"), "{table}");
        assert!((15..=22).contains(&lines.len()), "{} lines:\n{table}", lines.len());
        assert!(lines[lines.len() - 2].starts_with("… and 9"), "{table}");
        assert_eq!(lines.last(), Some(&"1000 backoff"));
    }

    #[test]
    fn only_a_cluster_has_a_column_for_the_member_which_fits_on_a_terminal() {
        let alone = at_80_columns(&[account("helpdesk", "main", None, "ready")]);
        assert!(alone.contains("server") && !alone.contains("member"), "{alone}");
        let accounts = [
            account("helpdesk", "main", Some("matterhost-0"), "ready"),
            account("reports", "main", Some("matterhost-1"), UNKNOWN_STATE),
            account("lonely", "main", None, UNKNOWN_STATE),
        ];
        let table = at_80_columns(&accounts);
        assert!(!table.contains("server"), "there is one only: {table}");
        for words in ["member", "matterhost-0", "matterhost-1", "12345", "no member hosts it"] {
            assert!(table.contains(words), "{words} is missing or cut:\n{table}");
        }
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        let on_two = accounts
            .iter()
            .cloned()
            .chain([account("ops", "second", Some("m"), "ready")])
            .collect::<Vec<_>>();
        assert!(at_80_columns(&on_two).contains("second"));
        assert!(summary(&accounts).contains("2 unknown"), "{}", summary(&accounts));
    }
}
