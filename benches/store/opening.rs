//! The size of a store, and the time to open it.

use std::{fs, time::Instant};

use futures_util::future::try_join_all;
use matterhost_actors::store::{DiskSettings, DiskStore, FILE_NAME};
use matterhost_actors::{
    model::{AccountName, Records},
    ports::{CursorStore as _, StoreError},
};

use crate::{commits::channel, program::Readings};

const CHANNELS: u32 = 10;
/// The maximum number of requests that may wait for the store.
const AT_ONCE: usize = 10_000;

/// Measures a store of ten thousand accounts: its size, the times to open it after a kill and a stop, and to load it.
pub(crate) fn of_ten_thousand(quick: bool) -> anyhow::Result<Readings> {
    let accounts: u32 = if quick { 1_000 } else { 10_000 };
    let names =
        (0..accounts).map(|n| AccountName::new(&format!("bot-{n}"))).collect::<Result<Vec<_>, _>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let dir = tempfile::tempdir()?;
    let open = |dir| DiskStore::open(dir, DiskSettings { fsync: false });
    let store = open(dir.path())?;
    let all = (0..CHANNELS).fold(Records::default(), |mut all, n| {
        all.put(channel(&format!("xd1wyp6m8fbzjn5kq7c3r9t4{n:02}"), 1).into());
        all
    });
    // Like accounts do: not all in one transaction.
    for names in names.chunks(100) {
        runtime.block_on(try_join_all(names.iter().map(|name| store.commit(name, all.clone().into()))))?;
    }
    let killed = tempfile::tempdir()?;
    fs::copy(dir.path().join(FILE_NAME), killed.path().join(FILE_NAME))?;
    runtime.block_on(store.close())?;
    let size = u32::try_from(fs::metadata(dir.path().join(FILE_NAME))?.len())?;
    let (after_kill, ms_after_kill) = timed(|| open(killed.path()))?;
    runtime.block_on(after_kill.close())?;
    let (store, ms_after_stop) = timed(|| open(dir.path()))?;
    let load = || {
        for names in names.chunks(AT_ONCE) {
            runtime.block_on(try_join_all(names.iter().map(|name| store.load(name))))?;
        }
        Ok::<_, StoreError>(())
    };
    let ((), ms_loaded) = timed(load)?;
    Ok(vec![
        ("bytes", f64::from(size) / f64::from(accounts * CHANNELS)),
        ("killed", ms_after_kill),
        ("closed", ms_after_stop),
        ("loaded", ms_loaded),
    ])
}

fn timed<T, E>(f: impl FnOnce() -> Result<T, E>) -> Result<(T, f64), E> {
    let start = Instant::now();
    let done = f()?;
    Ok((done, start.elapsed().as_secs_f64() * 1_000.0))
}
