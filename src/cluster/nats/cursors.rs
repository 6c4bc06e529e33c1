//! The read positions of accounts in NATS, in one bucket: a key for each account and for each of its channels.

mod keys;
mod stored_records;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use async_nats::{Client, connection::State, jetstream::kv::Store};
use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _, ready},
    stream,
};
use matterhost_actors::{
    model::{AccountName, Changes, ChannelId, Excerpt, Records},
    ports::{AccountFence, CursorStore, StoreError},
};
use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::timeout};

use self::{
    keys::Key,
    stored_records::{Fault, Kept, Written},
};
use crate::cluster::cursor_merge::{merge_accounts, merge_channels};

/// Time limit of one request. A commit that fails, as while NATS elects a leader, is tried again.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);

/// The keys of one commit that are written at a time.
const PIPELINE: usize = 64;

/// The accounts that are read at a time: enough to read ten thousand in seconds, without ten thousand consumers.
const READERS: usize = 64;

/// The read positions of all accounts of a cluster. Clones share the connection.
///
/// Records are written whole, by compare-and-set on the revision that this member knows. If another member has written a
/// record meanwhile, the two are merged. A member whose fence is closed writes nothing: another one may have read them.
#[derive(Clone)]
pub struct NatsCursors {
    client: Client,
    bucket: Store,
    fence: Arc<dyn AccountFence>,
    /// The records as this member last read or wrote them. An account that is being written is taken out.
    kept: Arc<Mutex<HashMap<AccountName, Kept>>>,
    readers: Arc<Semaphore>,
}

impl NatsCursors {
    pub(super) fn new(client: Client, bucket: Store, fence: Arc<dyn AccountFence>) -> Self {
        Self { client, bucket, fence, kept: Arc::default(), readers: Arc::new(Semaphore::new(READERS)) }
    }

    /// Returns the accounts with records, by name.
    ///
    /// # Errors
    /// Fails if NATS does not answer.
    pub async fn accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        let failed = |cause: &dyn std::fmt::Display| StoreError {
            message: format!(
                "cannot list the keys of bucket {} of NATS JetStream: {}; check that NATS runs, and that most of its servers do",
                self.bucket.name,
                Excerpt::of(&cause)
            ),
        };
        let late = |_| failed(&format_args!("no answer within {REQUEST_LIMIT:?}"));
        let keys = timeout(REQUEST_LIMIT, self.bucket.keys()).await.map_err(late)?;
        let mut keys = keys.map_err(|error| failed(&error))?;
        let mut accounts = BTreeSet::new();
        while let Some(key) = timeout(REQUEST_LIMIT, keys.next()).await.map_err(late)? {
            accounts.extend(keys::account_of(&key.map_err(|error| failed(&error))?));
        }
        Ok(accounts.into_iter().collect())
    }

    /// Drops what is kept in memory of an account that has left this member.
    pub fn release(&self, account: &AccountName) {
        self.kept.lock().remove(account);
    }

    /// Fails without a connection, because the client would keep the request and send it much later.
    fn check(&self, account: &AccountName, writes: bool) -> Result<(), Fault> {
        if self.client.connection_state() != State::Connected {
            return Err(Fault::unavailable("there is no connection to NATS"));
        }
        if writes && !self.fence.is_open(account) {
            return Err(Fault::Fenced);
        }
        Ok(())
    }

    async fn read(&self, account: &AccountName) -> Result<Kept, Fault> {
        self.check(account, false)?;
        let _reader = self.readers.acquire().await.map_err(|error| Fault::unavailable(&error))?;
        let read = stored_records::read(&self.client, &self.bucket, account);
        timeout(REQUEST_LIMIT, read).await.map_err(|_| Fault::late())?
    }

    async fn write(&self, account: &AccountName, changes: Changes) -> Result<(), Fault> {
        self.check(account, true)?;
        let known = self.kept.lock().remove(account);
        let mut kept = match known {
            Some(kept) => kept,
            None => self.read(account).await?,
        };
        let channels: Vec<_> = changes.channels.keys().cloned().collect();
        let writes_account = changes.account.is_some();
        if !kept.records.put(changes) {
            self.kept.lock().insert(account.clone(), kept);
            return Err(Fault::NotStored);
        }
        // After a failure it is read again before the next commit.
        self.write_channels(account, &mut kept, channels).await?;
        if writes_account {
            self.write_account(account, &mut kept).await?;
        }
        self.kept.lock().insert(account.clone(), kept);
        Ok(())
    }

    async fn write_channels(
        &self,
        account: &AccountName,
        kept: &mut Kept,
        channels: Vec<ChannelId>,
    ) -> Result<(), Fault> {
        let jobs: Vec<_> = channels
            .into_iter()
            .map(|channel| {
                let (record, revision) = kept.channel(&channel);
                (channel, record, revision)
            })
            .collect();
        let write = async |(channel, record, revision)| {
            let key = Key::Channel(account, &channel);
            let written = self.put(account, &key, record, revision, merge_channels).await?;
            Ok::<_, Fault>((channel, written))
        };
        let mut writes = stream::iter(jobs).map(write).buffer_unordered(PIPELINE);
        while let Some(written) = writes.next().await {
            let (channel, written) = written?;
            kept.channel_written(channel, written);
        }
        Ok(())
    }

    async fn write_account(&self, account: &AccountName, kept: &mut Kept) -> Result<(), Fault> {
        let (record, revision) = (kept.records.account.clone(), kept.account_revision);
        let written = self.put(account, &Key::Account(account), record, revision, merge_accounts).await?;
        kept.account_written(written);
        Ok(())
    }

    /// Writes a record, or deletes it if there is none. A record that another member wrote is merged into it.
    async fn put<T: stored_records::Stored>(
        &self,
        account: &AccountName,
        key: &Key<'_>,
        mut record: Option<T>,
        mut revision: u64,
        merge: fn(T, T) -> T,
    ) -> Result<Written<T>, Fault> {
        for _ in 0..stored_records::MAX_CONFLICTS {
            self.check(account, true)?;
            let write = stored_records::write(&self.bucket, key, record.as_ref(), revision);
            if let Some(revision) = timeout(REQUEST_LIMIT, write).await.map_err(|_| Fault::late())?? {
                return Ok(Written { record, revision });
            }
            let found = timeout(REQUEST_LIMIT, stored_records::find(&self.bucket, key));
            let (other, at) = found.await.map_err(|_| Fault::late())??;
            record = match (record, other) {
                (Some(mine), Some(other)) => Some(merge(mine, other)),
                (mine, _) => mine,
            };
            revision = at;
        }
        Err(Fault::unavailable("the record changes all the time"))
    }

    async fn delete_all(&self, account: &AccountName) -> Result<(), Fault> {
        let found = self.read(account).await?;
        self.release(account);
        let channels = found.channels().map(|channel| Key::Channel(account, channel).to_string());
        let keys: Vec<_> = channels.chain([Key::Account(account).to_string()]).collect();
        let mut purges = stream::iter(keys)
            .map(|key| async move { timeout(REQUEST_LIMIT, self.bucket.purge(key)).await })
            .buffer_unordered(PIPELINE);
        while let Some(purged) = purges.next().await {
            purged.map_err(|_| Fault::late())?.map_err(|error| Fault::unavailable(&error))?;
        }
        Ok(())
    }

    fn error(&self, account: &AccountName, fault: Fault) -> StoreError {
        fault.into_error(account, &self.bucket.name)
    }
}

impl CursorStore for NatsCursors {
    fn load(&self, account: &AccountName) -> BoxFuture<'static, Result<Records, StoreError>> {
        let (store, account) = (self.clone(), account.clone());
        async move {
            let kept = store.read(&account).await.map_err(|fault| store.error(&account, fault))?;
            let records = kept.records.clone();
            Ok(records)
        }
        .boxed()
    }

    fn commit(&self, account: &AccountName, changes: Changes) -> BoxFuture<'static, Result<(), StoreError>> {
        if changes.is_empty() {
            return ready(Ok(())).boxed();
        }
        let (store, account) = (self.clone(), account.clone());
        async move { store.write(&account, changes).await.map_err(|fault| store.error(&account, fault)) }
            .boxed()
    }

    fn forget(&self, account: &AccountName) -> BoxFuture<'static, Result<(), StoreError>> {
        let (store, account) = (self.clone(), account.clone());
        async move { store.delete_all(&account).await.map_err(|fault| store.error(&account, fault)) }.boxed()
    }
}

impl std::fmt::Debug for NatsCursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NatsCursors").field("bucket", &self.bucket.name).finish_non_exhaustive()
    }
}
