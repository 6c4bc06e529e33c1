//! A temporary directory with a store, and sample records.

use std::{
    fs,
    path::{Path, PathBuf},
};

use matterhost_actors::store::{DiskError, DiskSettings, DiskStore, FILE_NAME};
use matterhost_actors::{
    model::{
        AccountChange, AccountName, AccountRecord, Changes, ChannelChange, ChannelRecord, ChannelUpdate,
        PostsUpdate, Records,
    },
    ports::{CursorStore as _, StoreError},
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

pub(crate) struct StoreDir {
    dir: TempDir,
    runtime: Runtime,
}

pub(crate) fn name(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

/// The first channel, for which a bot keeps a count.
const CHANNEL_WITH_VALUES: &str = "channel-000000000000000000";

/// Returns the records of an account with activity in some channels; `n` distinguishes the commits.
pub(crate) fn records(channels: u32, n: i64) -> Records {
    let channel = |of: u32| {
        let since = (0..20).map(|post| (n + post, format!("post-{post:022}").as_str().into())).collect();
        let record = ChannelRecord { anchor_at: n, since, seen_until: n + 20, ..ChannelRecord::default() };
        (format!("channel-{of:018}").as_str().into(), record)
    };
    let account = AccountRecord { server_time: n, ..AccountRecord::default() };
    let values = [("count".into(), n.to_string().into())].into();
    Records {
        account: Some(account),
        channels: (0..channels).map(channel).collect(),
        values: [(CHANNEL_WITH_VALUES.into(), values)].into(),
    }
}

/// Returns the update that leads from the records of the commit before `n` to those of `n`.
pub(crate) fn update(channels: u32, n: i64) -> Changes {
    let change = |(channel, to): (_, ChannelRecord)| {
        let removed_until = records(1, n - 1).channels.into_values().next().unwrap().since.pop();
        let update = ChannelUpdate {
            anchor_at: to.anchor_at,
            seen_until: to.seen_until,
            since: PostsUpdate { removed_until, added: to.since },
            ..ChannelUpdate::default()
        };
        (channel, ChannelChange::Update(Box::new(update)))
    };
    let records = records(channels, n);
    let channels = records.channels.clone().into_iter().map(change).collect();
    Changes { account: Some(AccountChange::ServerTime(n)), channels, ..Changes::from(records) }
}

/// Returns the seed for the random decisions of a test.
pub(crate) fn seed() -> u64 {
    std::env::var("MATTERHOST_SEED").ok().map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap())
}

impl StoreDir {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self { dir: tempfile::tempdir().unwrap(), runtime }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir().join(FILE_NAME)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap()
    }

    pub(crate) fn open(&self) -> Result<DiskStore, DiskError> {
        DiskStore::open(self.dir(), DiskSettings { fsync: false })
    }

    pub(crate) fn commit(
        &self,
        store: &DiskStore,
        account: &str,
        changes: impl Into<Changes>,
    ) -> Result<(), StoreError> {
        self.runtime.block_on(store.commit(&name(account), changes.into()))
    }

    pub(crate) fn load(&self, store: &DiskStore, account: &str) -> Result<Records, StoreError> {
        self.runtime.block_on(store.load(&name(account)))
    }

    pub(crate) fn close(&self, store: &DiskStore) {
        self.runtime.block_on(store.close()).unwrap();
    }

    /// Returns the bytes of a store with several pages: after it was closed, and after a kill.
    pub(crate) fn filled(accounts: u32) -> [Vec<u8>; 2] {
        let store_dir = Self::new();
        let store = store_dir.open().unwrap();
        for n in 0..accounts {
            store_dir.commit(&store, &format!("bot-{n}"), records(3, i64::from(n))).unwrap();
        }
        let killed = store_dir.bytes();
        store_dir.close(&store);
        [store_dir.bytes(), killed]
    }
}
