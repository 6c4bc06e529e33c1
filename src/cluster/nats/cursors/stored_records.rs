//! Reading and writing the records of one account.

use std::collections::BTreeMap;

use async_nats::{
    Client, HeaderMap,
    jetstream::{
        consumer::{Consumer, DeliverPolicy, ReplayPolicy, push::OrderedConfig},
        kv::{DeleteErrorKind, Operation, Store, UpdateErrorKind},
    },
};
use futures_util::StreamExt as _;
use matterhost_actors::{
    model::{AccountName, AccountRecord, ChannelId, ChannelRecord, Excerpt, Records},
    ports::StoreError,
};
use serde::{Serialize, de::DeserializeOwned};

use super::keys::{self, Key, Part};

/// Attempts to write a record that other members change meanwhile. Only one that is about to end does.
pub(super) const MAX_CONFLICTS: usize = 8;

/// The header that marks the end of a key.
const OPERATION_HEADER: &str = "KV-Operation";
/// The header of a mark that the server itself has made.
const MARKER_HEADER: &str = "Nats-Marker-Reason";

/// A record in the store.
pub(super) trait Stored: Serialize + DeserializeOwned + Send + Sync {}

impl Stored for AccountRecord {}
impl Stored for ChannelRecord {}

/// The records of an account with their revisions.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) records: Records,
    pub(super) account_revision: u64,
    revisions: BTreeMap<ChannelId, u64>,
}

/// A record as it was written.
pub(super) struct Written<T> {
    pub(super) record: Option<T>,
    pub(super) revision: u64,
}

/// The reason why records cannot be read or written.
#[derive(Debug)]
pub(super) enum Fault {
    /// NATS does not answer as expected.
    Unavailable(String),
    /// Another member may own the account.
    Fenced,
    /// A change of a record that is not there.
    NotStored,
    /// The value of a key is not a record.
    Unreadable(String),
}

impl Fault {
    pub(super) fn unavailable(cause: &(impl std::fmt::Display + ?Sized)) -> Self {
        Self::Unavailable(Excerpt::of(cause).to_string())
    }

    pub(super) fn late() -> Self {
        Self::Unavailable(format!("no answer within {:?}", super::REQUEST_LIMIT))
    }

    pub(super) fn into_error(self, account: &AccountName, bucket: &str) -> StoreError {
        let place = format!("account {account}, bucket {bucket} of NATS JetStream");
        let message = match self {
            Self::Unavailable(cause) => {
                format!("{place}: {cause}; check that NATS runs, and that most of its servers do")
            }
            Self::Fenced => format!("{place}: nothing is stored, because another member may own the account"),
            Self::NotStored => return StoreError::not_stored(account),
            Self::Unreadable(key) => format!(
                "{place}: the value of key {key} cannot be read; delete it with `nats kv del {bucket} {key}`, then posts \
                 may be missed or come twice"
            ),
        };
        StoreError { message }
    }
}

impl Kept {
    /// Returns the channels with a record.
    pub(super) fn channels(&self) -> impl Iterator<Item = &ChannelId> {
        self.records.channels.keys()
    }

    pub(super) fn channel(&self, channel: &ChannelId) -> (Option<ChannelRecord>, u64) {
        let revision = self.revisions.get(channel).copied().unwrap_or_default();
        (self.records.channels.get(channel).cloned(), revision)
    }

    pub(super) fn channel_written(&mut self, channel: ChannelId, written: Written<ChannelRecord>) {
        if let Some(record) = written.record {
            self.records.channels.insert(channel.clone(), record);
            self.revisions.insert(channel, written.revision);
        } else {
            self.revisions.remove(&channel);
        }
    }

    pub(super) fn account_written(&mut self, written: Written<AccountRecord>) {
        (self.records.account, self.account_revision) = (written.record, written.revision);
    }

    fn add(&mut self, key: &str, value: &[u8], revision: u64) -> Result<(), Fault> {
        match keys::parse(key) {
            Some(Part::Account) => {
                (self.records.account, self.account_revision) = (Some(decode(key, value)?), revision);
            }
            Some(Part::Channel(channel)) => {
                self.records.channels.insert(channel.clone(), decode(key, value)?);
                self.revisions.insert(channel, revision);
            }
            None => return Err(Fault::Unreadable(Excerpt::of(key).to_string())),
        }
        Ok(())
    }
}

/// Reads all records of an account. Nothing of that is left in NATS, which has a limit of a thousand consumers for a bucket.
pub(super) async fn read(client: &Client, bucket: &Store, account: &AccountName) -> Result<Kept, Fault> {
    let config = OrderedConfig {
        deliver_subject: client.new_inbox(),
        filter_subject: format!("{}{}", bucket.prefix, keys::pattern(account)),
        deliver_policy: DeliverPolicy::LastPerSubject,
        replay_policy: ReplayPolicy::Instant,
        ..OrderedConfig::default()
    };
    let consumer = bucket.stream.create_consumer(config).await.map_err(|error| Fault::unavailable(&error))?;
    let name = consumer.cached_info().name.clone();
    let kept = read_all(consumer, bucket).await;
    // An error means that it is gone, or ends by itself within half a minute.
    let _ = bucket.stream.delete_consumer(&name).await;
    kept
}

async fn read_all(consumer: Consumer<OrderedConfig>, bucket: &Store) -> Result<Kept, Fault> {
    let mut left = consumer.cached_info().num_pending;
    let mut kept = Kept::default();
    if left == 0 {
        return Ok(kept);
    }
    let mut messages = consumer.messages().await.map_err(|error| Fault::unavailable(&error))?;
    while left > 0 {
        let message = messages.next().await.ok_or_else(|| Fault::unavailable("the answer has ended"))?;
        let message = message.map_err(|error| Fault::unavailable(&error))?;
        let info = message.info().map_err(|error| Fault::unavailable(&*error))?;
        let (revision, pending) = (info.stream_sequence, info.pending);
        if !is_mark(message.headers.as_ref()) {
            let key = message.subject.strip_prefix(&bucket.prefix).unwrap_or(&message.subject);
            kept.add(key, &message.payload, revision)?;
        }
        left = pending;
    }
    Ok(kept)
}

/// Returns true for the mark of a key that has ended.
fn is_mark(headers: Option<&HeaderMap>) -> bool {
    headers.is_some_and(|headers| {
        headers.get(OPERATION_HEADER).is_some_and(|operation| operation.as_str() != "PUT")
            || headers.get(MARKER_HEADER).is_some()
    })
}

/// Writes a record, or deletes it if there is none. Returns its new revision; `None` if it has another one than expected.
pub(super) async fn write<T: Stored>(
    bucket: &Store,
    key: &Key<'_>,
    record: Option<&T>,
    expected: u64,
) -> Result<Option<u64>, Fault> {
    let Some(record) = record else {
        if expected == 0 {
            return Ok(Some(0));
        }
        return match bucket.delete_expect_revision(key.to_string(), Some(expected)).await {
            Ok(()) => Ok(Some(0)),
            Err(error) if error.kind() == DeleteErrorKind::WrongLastRevision => Ok(None),
            Err(error) => Err(Fault::unavailable(&error)),
        };
    };
    let json = serde_json::to_vec(record).map_err(|error| Fault::unavailable(&error))?;
    match bucket.update(key.to_string(), json.into(), expected).await {
        Ok(revision) => Ok(Some(revision)),
        Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(None),
        Err(error) => Err(Fault::unavailable(&error)),
    }
}

/// Finds the record of a key and its revision.
pub(super) async fn find<T: Stored>(bucket: &Store, key: &Key<'_>) -> Result<(Option<T>, u64), Fault> {
    let key = key.to_string();
    let Some(entry) = bucket.entry(key.clone()).await.map_err(|error| Fault::unavailable(&error))? else {
        return Ok((None, 0));
    };
    let record = match entry.operation {
        Operation::Put => Some(decode(&key, &entry.value)?),
        Operation::Delete | Operation::Purge => None,
    };
    Ok((record, entry.revision))
}

fn decode<T: Stored>(key: &str, value: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(value).map_err(|_| Fault::Unreadable(Excerpt::of(key).to_string()))
}
