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
    ports::{CursorStore as _, StoreError},
};

use crate::program::Readings;

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
fn moved(channel: &str, n: i64) -> Changes {
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
        store.commit(name, channel("xd1wyp6m8fbzjn5kq7c3r9t4he", 0).into()).await?;
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
