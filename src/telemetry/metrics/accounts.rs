//! Metrics of accounts, per account or summed up per server.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use matterhost_actors::model::{AccountSnapshot, AccountState, CloseReason, ServerName};
use prometheus_client::encoding::DescriptorEncoder;

use super::{
    CountsKey,
    labels::Labels,
    scrape::{Family, Kind, Scrape},
};

const ACCOUNTS: Family = Family::gauge("accounts", "Accounts in a state");
const STATE: Family = Family::gauge("account_state", "1 for the state that the account is in");
const SINCE: Family = Family::seconds(
    "account_state_start_timestamp",
    Kind::Gauge,
    "Time at which the account entered its state, since 1970",
);
const GENERATION: Family =
    Family::gauge("account_generation", "Number of the account's current connection, from 1");
const READY: Family =
    Family::seconds("account_ready", Kind::Counter, "How long the account was ready since it was added");
const BUDGET: Family =
    Family::gauge("restart_budget_left", "Charged endings that may still follow before the account trips");
const QUEUED: Family =
    Family::gauge("queued_frames", "Frames that no sink has acknowledged; long ones count as several");
const STALLED: Family = Family::gauge("stalled_accounts", "Accounts whose sink or store accepts nothing");
const NOT_READY: Family =
    Family::gauge("not_ready_accounts", "Accounts that are not ready, except those stopped by an operator");
const UNPROVEN: Family =
    Family::gauge("unproven_accounts", "Ready accounts without a successful probe for 3 minutes");
const LAST_EVENT: Family =
    Family::seconds("last_event_timestamp", Kind::Gauge, "Time of the last received event, since 1970");
const LAST_PROBE: Family = Family::seconds(
    "last_good_probe_timestamp",
    Kind::Gauge,
    "Time of the last successful poll or ping, since 1970",
);
const EVENTS: Family = Family::counter("events", "Events that the sinks acknowledged or rejected");
const RECOVERED: Family =
    Family::counter("recovered_events", "Events that were fetched after a gap instead of received live");
const TRUNCATIONS: Family =
    Family::counter("catch_up_truncations", "Channels that a catch-up did not fetch completely");
const ENDINGS: Family = Family::counter("endings", "Ended connections by reason");

/// Six intervals of polls and pings, which come every 30 s by default.
const UNPROVEN_AFTER: Duration = Duration::from_secs(180);

/// The gauges of an account, or of all accounts of a server.
struct Row {
    key: CountsKey,
    budget_left: u32,
    queued: usize,
    stalled_by_sink: usize,
    stalled_by_store: usize,
    not_ready: usize,
    unproven: usize,
    last_event: Option<SystemTime>,
    last_good_probe: Option<SystemTime>,
}

impl Row {
    fn of(key: CountsKey, account: &AccountSnapshot, now: SystemTime) -> Self {
        Self {
            key,
            budget_left: account.budget_left,
            queued: account.queued,
            stalled_by_sink: account.stalls.sink.into(),
            stalled_by_store: account.stalls.store.into(),
            not_ready: is_not_ready(account).into(),
            unproven: is_unproven(account, now).into(),
            last_event: account.last_event,
            last_good_probe: account.last_good_probe,
        }
    }

    /// Merges two accounts: the lowest budget, the newest event, the oldest probe, and sums of the rest.
    fn merge(&mut self, other: &Self) {
        let probes = self.last_good_probe.into_iter().chain(other.last_good_probe);
        self.last_good_probe = probes.min();
        self.last_event = self.last_event.max(other.last_event);
        self.budget_left = self.budget_left.min(other.budget_left);
        self.queued += other.queued;
        self.stalled_by_sink += other.stalled_by_sink;
        self.stalled_by_store += other.stalled_by_store;
        self.not_ready += other.not_ready;
        self.unproven += other.unproven;
    }
}

/// Returns true if the account should be ready but is not. An account that stopped because its token belongs to
/// another user counts; one that an operator stopped does not.
fn is_not_ready(account: &AccountSnapshot) -> bool {
    let last = account.last_ending.as_ref().map(|ending| &ending.reason);
    match account.state {
        AccountState::Ready => false,
        AccountState::Stopped => matches!(last, Some(CloseReason::IdentityChanged { .. })),
        _ => true,
    }
}

/// Returns true if no probe has succeeded for too long since the account became ready.
fn is_unproven(account: &AccountSnapshot, now: SystemTime) -> bool {
    let proven = account.last_good_probe.map_or(account.since, |probe| probe.max(account.since));
    // After the clock was set back nothing is known; the next probe decides.
    let ago = now.duration_since(proven).unwrap_or_default();
    account.state == AccountState::Ready && ago > UNPROVEN_AFTER
}

pub(super) fn encode(scrape: &Scrape, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    states(scrape, encoder)?;
    if scrape.metrics.account_counts.per_account {
        single_accounts(scrape, encoder)?;
    }
    gauges(&rows(scrape), encoder)?;
    counters(scrape, encoder)
}

fn states(scrape: &Scrape, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut states: BTreeMap<&ServerName, [u64; AccountState::ALL.len()]> = BTreeMap::new();
    for account in &scrape.accounts {
        states.entry(&account.server).or_default()[account.state as usize] += 1;
    }
    for server in &scrape.servers {
        states.entry(&server.server).or_default();
    }
    let rows = states.iter().flat_map(|(server, counts)| {
        let state = |state: AccountState| [("server", server.as_str()), ("state", state.label())];
        AccountState::ALL.map(|at| (state(at), counts[at as usize]))
    });
    ACCOUNTS.write_rows(encoder, rows)
}

/// Writes the series that make sense for single accounts only.
fn single_accounts(scrape: &Scrape, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let accounts = || scrape.accounts.iter();
    STATE.write_rows(encoder, accounts().map(|a| ((labels(a), [("state", a.state.label())]), 1_u64)))?;
    SINCE.write_rows(encoder, accounts().map(|a| (labels(a), timestamp(a.since))))?;
    GENERATION.write_rows(encoder, accounts().map(|a| (labels(a), a.generation.0)))?;
    READY.write_rows(encoder, accounts().map(|a| (labels(a), a.ready_for.as_secs_f64())))
}

fn labels(account: &AccountSnapshot) -> Labels<'_> {
    Labels { account: Some(account.account.as_str()), server: account.server.as_str() }
}

fn rows(scrape: &Scrape) -> Vec<Row> {
    let (account_counts, now) = (&scrape.metrics.account_counts, SystemTime::now());
    let row = |account: &AccountSnapshot| {
        Row::of(account_counts.key(&account.account, &account.server), account, now)
    };
    let each = scrape.accounts.iter().map(row);
    if account_counts.per_account {
        return each.collect();
    }
    let mut servers: BTreeMap<ServerName, Row> = BTreeMap::new();
    for row in each {
        match servers.get_mut(&row.key.server) {
            Some(sum) => sum.merge(&row),
            None => {
                servers.insert(row.key.server.clone(), row);
            }
        }
    }
    servers.into_values().collect()
}

fn gauges(rows: &[Row], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    BUDGET.write_rows(encoder, rows.iter().map(|row| (row.key.labels(), u64::from(row.budget_left))))?;
    QUEUED.write_rows(encoder, rows.iter().map(|row| (row.key.labels(), row.queued)))?;
    let stalled = rows.iter().flat_map(|row| {
        [("sink", row.stalled_by_sink), ("store", row.stalled_by_store)]
            .map(|(by, accounts)| ((row.key.labels(), [("by", by)]), accounts))
    });
    // Zeros are left out: they would be twenty thousand series for ten thousand accounts.
    STALLED.write_rows(encoder, stalled.filter(|(_, accounts)| *accounts > 0))?;
    nonzero(encoder, &NOT_READY, rows, |row| row.not_ready)?;
    nonzero(encoder, &UNPROVEN, rows, |row| row.unproven)?;
    let at = |at: Option<SystemTime>| at.map(timestamp);
    LAST_EVENT
        .write_rows(encoder, rows.iter().filter_map(|row| Some((row.key.labels(), at(row.last_event)?))))?;
    LAST_PROBE
        .write_rows(encoder, rows.iter().filter_map(|row| Some((row.key.labels(), at(row.last_good_probe)?))))
}

/// Writes only the rows that are not zero.
fn nonzero(
    encoder: &mut DescriptorEncoder<'_>,
    family: &Family,
    rows: &[Row],
    accounts: fn(&Row) -> usize,
) -> fmt::Result {
    let counts = rows.iter().map(|row| (row.key.labels(), accounts(row)));
    family.write_rows(encoder, counts.filter(|(_, accounts)| *accounts > 0))
}

fn counters(scrape: &Scrape, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let counts = scrape.metrics.account_counts.all();
    let events = counts.iter().flat_map(|(key, counts)| {
        counts.events().into_iter().map(move |(event, times)| ((key.labels(), [("type", event)]), times))
    });
    EVENTS.write_rows(encoder, events)?;
    RECOVERED.write_rows(encoder, counts.iter().map(|(key, counts)| (key.labels(), counts.recovered())))?;
    TRUNCATIONS
        .write_rows(encoder, counts.iter().map(|(key, counts)| (key.labels(), counts.truncations())))?;
    let endings = counts.iter().flat_map(|(key, counts)| {
        counts.endings().into_iter().map(move |((reason, charged), times)| {
            let charged = if charged { "true" } else { "false" };
            ((key.labels(), [("reason", reason), ("charged", charged)]), times)
        })
    });
    ENDINGS.write_rows(encoder, endings)
}

fn timestamp(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
