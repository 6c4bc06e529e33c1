//! Commits of read positions to NATS, and what NATS has to do for them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use matterhost::{
    cluster::{NatsCluster, NatsCursors, NatsSettings},
    config::{NatsAccess, NatsCredentials},
};
use matterhost_actors::{
    model::AccountName,
    ports::{AccountFence, CursorStore as _, StoreError},
};
use tokio::time::sleep;

use crate::{
    commits::{CHANNEL, commit_for, moved},
    cpu_time::cpu_time,
    nats_server::NatsServer,
    program::Readings,
};

/// The lifetime of a lease: the default.
const TTL: Duration = Duration::from_secs(10);
/// The accounts of a large cluster.
const MANY: usize = 10_000;
/// The interval of an account's events under load.
const EVENT_EVERY: Duration = Duration::from_secs(10);
/// The monitor counts the messages.
const MONITOR: &str = "http: \"127.0.0.1:-1\"";

struct Open;

impl AccountFence for Open {
    fn is_open(&self, _: &AccountName) -> bool {
        true
    }
}

async fn open(server: &NatsServer) -> anyhow::Result<NatsCursors> {
    let access = NatsAccess {
        servers: vec![format!("nats://{}", server.address)],
        credentials: NatsCredentials::None,
        secret_file: None,
        ca_file: None,
        client_certificate: None,
    };
    let (prefix, name) = ("matterhost".into(), "matterhost bench".into());
    let settings = NatsSettings { access, prefix, replicas: 1, name };
    Ok(NatsCluster::connect(&settings, TTL, Arc::new(Open)).await?.cursors)
}

fn on_a_runtime<T>(measure: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure)
}

fn length(quick: bool) -> Duration {
    Duration::from_secs(if quick { 1 } else { 5 })
}

fn accounts(quick: bool) -> usize {
    if quick { MANY / 10 } else { MANY }
}

/// Measures the commits of one account.
pub(crate) fn of_one_account(quick: bool) -> anyhow::Result<Readings> {
    let server = NatsServer::start("");
    on_a_runtime(async {
        let store = open(&server).await?;
        let (commits, took) = commit_for(&store, 1, length(quick)).await?;
        Ok(vec![("one-commits", f64::from(commits) / took.as_secs_f64())])
    })
}

/// Measures the commits of ten thousand accounts at once, and the time in which another member loads what they have stored.
pub(crate) fn of_ten_thousand(quick: bool) -> anyhow::Result<Readings> {
    let server = NatsServer::start(MONITOR);
    let count = accounts(quick);
    on_a_runtime(async {
        let store = open(&server).await?;
        // The accounts have records before they are counted.
        commit_for(&store, count, Duration::ZERO).await?;
        let before = server.messages_received();
        let (commits, took) = commit_for(&store, count, length(quick)).await?;
        // With the first commit of each.
        let commits = commits + u32::try_from(count)?;
        let operations = u32::try_from(server.messages_received() - before)?;
        let other = open(&server).await?;
        let begun = Instant::now();
        let names: Vec<_> = other.accounts().await?;
        try_join_all(names.iter().map(|name| other.load(name))).await?;
        let loaded = begun.elapsed().as_secs_f64();
        anyhow::ensure!(names.len() == count, "{} accounts are stored", names.len());
        let rate = f64::from(commits) / took.as_secs_f64();
        let each = f64::from(operations) / f64::from(commits);
        Ok(vec![
            ("many-commits", rate),
            ("many-operations", rate * each),
            ("many-each", each),
            ("many-loaded", loaded),
        ])
    })
}

/// Measures ten thousand accounts of which each has an event every ten seconds.
pub(crate) fn under_load(quick: bool) -> anyhow::Result<Readings> {
    let server = NatsServer::start(MONITOR);
    let count = accounts(quick);
    on_a_runtime(async {
        let store = open(&server).await?;
        commit_for(&store, count, Duration::ZERO).await?;
        let names: Result<Vec<_>, _> = (0..count).map(|n| AccountName::new(&format!("bot-{n}"))).collect();
        let names = names?;
        let (before, cpu, begun) = (server.messages_received(), cpu_time(), Instant::now());
        let each = u32::try_from(count)?;
        let one = async |(n, name): (u32, &AccountName)| {
            let mut commits = 0;
            // Spread over the interval.
            let mut next = EVENT_EVERY * n / each;
            while next < 2 * length(quick) {
                sleep(next.saturating_sub(begun.elapsed())).await;
                store.commit(name, moved(CHANNEL, i64::from(commits))).await?;
                commits += 1;
                next += EVENT_EVERY;
            }
            Ok::<_, StoreError>(commits)
        };
        let counts = try_join_all((0..each).zip(&names).map(one)).await?;
        let (took, spent) = (begun.elapsed(), cpu_time().saturating_sub(cpu));
        let commits = f64::from(counts.into_iter().sum::<u32>());
        let operations = f64::from(u32::try_from(server.messages_received() - before)?);
        Ok(vec![
            ("load-commits", commits / took.as_secs_f64()),
            ("load-operations", operations / took.as_secs_f64()),
            ("load-each", operations / commits),
            ("load-cpu", spent.as_secs_f64() * 1e6 / commits),
        ])
    })
}
