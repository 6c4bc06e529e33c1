//! Commits per second; each account requests its next commit after the previous answer, as a Delivery does.

use std::{
    iter::once,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use matterhost_actors::store::{DiskSettings, DiskStore};
use matterhost_actors::{
    model::{
        AccountName, Changes, ChannelChange, ChannelRecord, ChannelUpdate, PostId, PostsUpdate, Records,
    },
    ports::{CursorStore, StoreError},
};

use crate::program::Readings;

/// The one channel of an account.
pub(crate) const CHANNEL: &str = "xd1wyp6m8fbzjn5kq7c3r9t4he";
/// Posts within the overlap, in a channel with one post a second.
const SINCE: i64 = 10;

/// Returns the records of a channel.
pub(crate) fn channel(channel: &str, n: i64) -> Records {
    let record = ChannelRecord {
        anchor_at: n,
        anchor: Some(post(n).1),
        since: (n..n + SINCE).map(post).collect(),
        seen_until: n,
        edited_until: n,
        ..ChannelRecord::default()
    };
    Records { channels: once((channel.into(), record)).collect(), ..Records::default() }
}

/// Returns the changes of an event: an update of one channel.
pub(crate) fn moved(channel: &str, n: i64) -> Changes {
    let update = ChannelUpdate {
        anchor_at: n,
        anchor: Some(post(n).1),
        seen_until: n,
        edited_until: n,
        since: PostsUpdate { removed_until: Some(post(n)), added: vec![post(n + SINCE)] },
        ..ChannelUpdate::default()
    };
    let change = (channel.into(), ChannelChange::Update(Box::new(update)));
    Changes { channels: once(change).collect(), ..Changes::default() }
}

fn post(at: i64) -> (i64, PostId) {
    (at, format!("{at:026}").as_str().into())
}

/// Lets each account commit as soon as its last commit is answered, for a time. Returns the number of commits, and the time that
/// they took.
pub(crate) async fn commit_for(
    store: &impl CursorStore,
    accounts: usize,
    length: Duration,
) -> anyhow::Result<(u32, Duration)> {
    let names: Result<Vec<_>, _> = (0..accounts).map(|n| AccountName::new(&format!("bot-{n}"))).collect();
    let names = names?;
    let all = names.iter().map(|name| store.commit(name, channel(CHANNEL, 0).into()));
    try_join_all(all).await?;
    let start = Instant::now();
    let one = async |name: &AccountName| {
        let mut count = 0;
        while start.elapsed() < length {
            store.commit(name, moved(CHANNEL, count)).await?;
            count += 1;
        }
        Ok::<_, StoreError>(count)
    };
    let counts = try_join_all(names.iter().map(one)).await?;
    Ok((u32::try_from(counts.into_iter().sum::<i64>())?, start.elapsed()))
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
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (commits, took) = runtime.block_on(commit_for(&store, accounts, length))?;
    runtime.block_on(store.close())?;
    Ok(vec![(reading, f64::from(commits) / took.as_secs_f64())])
}
