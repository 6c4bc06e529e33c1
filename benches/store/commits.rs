//! Commits per second; each account requests its next commit after the previous answer, as a Delivery does.

use std::{
    hint::black_box,
    iter::once,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use matterhost::store::{DiskSettings, DiskStore};
use matterhost_actors::{
    model::{AccountName, ChannelRecord, Records},
    ports::{CursorStore as _, StoreError},
};

use crate::program::Readings;

/// Posts within the overlap, in a channel with one post a second.
const SINCE: i64 = 10;

/// Returns the records that an event changes: those of one channel.
pub(crate) fn moved(channel: &str, n: i64) -> Records {
    let post = |at: i64| (at, format!("{at:026}").as_str().into());
    let record = ChannelRecord {
        anchor_at: n,
        anchor: Some(post(n).1),
        since: (n..n + SINCE).map(post).collect(),
        seen_until: n,
        edited_until: n,
        ..ChannelRecord::default()
    };
    Records { account: None, channels: once((channel.into(), record)).collect() }
}

/// Measures the commits of a number of accounts at once.
pub(crate) fn a_second(
    quick: bool,
    accounts: usize,
    fsync: bool,
    reading: &'static str,
) -> anyhow::Result<Readings> {
    let length = Duration::from_secs(if quick { 1 } else { 5 });
    let dir = tempfile::tempdir()?;
    let store = DiskStore::open(dir.path(), DiskSettings { fsync })?;
    let names: Result<Vec<_>, _> = (0..accounts).map(|n| AccountName::new(&format!("bot-{n}"))).collect();
    let names = names?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let start = Instant::now();
    let one = async |name: &AccountName| {
        let mut count = 0;
        while start.elapsed() < length {
            store.commit(name, moved("xd1wyp6m8fbzjn5kq7c3r9t4he", count)).await?;
            count += 1;
        }
        Ok::<_, StoreError>(count)
    };
    let counts = runtime.block_on(try_join_all(names.iter().map(one)))?;
    let sum = u32::try_from(counts.into_iter().sum::<i64>())?;
    let took = start.elapsed().as_secs_f64();
    runtime.block_on(store.close())?;
    Ok(vec![(reading, f64::from(sum) / took)])
}

/// Measures the times to serialize and to parse a row, in microseconds.
pub(crate) fn json(quick: bool) -> anyhow::Result<Readings> {
    let rounds: u32 = if quick { 100_000 } else { 1_000_000 };
    let record = moved("c", 1_700_000_000_000).channels.into_values().next().unwrap_or_default();
    let micros = |took: Duration| took.as_secs_f64() * 1e6 / f64::from(rounds);
    let (mut start, mut row) = (Instant::now(), Vec::new());
    for _ in 0..rounds {
        row = serde_json::to_vec(black_box(&record))?;
    }
    let written = micros(start.elapsed());
    start = Instant::now();
    for _ in 0..rounds {
        black_box(serde_json::from_slice::<ChannelRecord>(black_box(&row))?);
    }
    Ok(vec![("json-written", written), ("json-read", micros(start.elapsed()))])
}
