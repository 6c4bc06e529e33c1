//! The tables: one row per account and one per channel, each a JSON object.

use std::collections::BTreeMap;

use matterhost_actors::model::{AccountName, AccountRecord, ChannelRecord, Records, UserId};
use redb::{Key, ReadTransaction, ReadableTable as _, TableDefinition, TableError, Value, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::error::Fault;

/// Rows of accounts, by name.
const ACCOUNTS: TableDefinition<&str, &[u8]> = TableDefinition::new("accounts");

/// Rows of channels, by the account's name and the channel's id. As a tuple, the two parts of the key cannot run into
/// each other.
const CHANNELS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("channels");

/// A summary of the rows of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAccount {
    /// The account's name in the configuration.
    pub account: String,
    /// The user whom its token belongs to.
    pub user: Option<UserId>,
    /// Number of channels with a cursor.
    pub channels: usize,
    /// Newest server time at the last complete listing, in milliseconds.
    pub listed_at: Option<i64>,
}

/// Creates the tables of a new file.
pub(super) fn create_tables(transaction: &WriteTransaction) -> Result<(), Fault> {
    transaction.open_table(ACCOUNTS)?;
    transaction.open_table(CHANNELS)?;
    Ok(())
}

/// Copies all rows to the tables of another file.
pub(super) fn copy(from: &ReadTransaction, to: &WriteTransaction) -> Result<(), Fault> {
    copy_table(ACCOUNTS, from, to)?;
    copy_table(CHANNELS, from, to)
}

fn copy_table<K: Key, V: Value>(
    table: TableDefinition<'static, K, V>,
    from: &ReadTransaction,
    to: &WriteTransaction,
) -> Result<(), Fault> {
    let mut copied = to.open_table(table)?;
    for row in from.open_table(table)?.iter()? {
        let (key, value) = row?;
        copied.insert(key.value(), value.value())?;
    }
    Ok(())
}

/// Writes changed records of an account.
pub(super) fn put(
    transaction: &WriteTransaction,
    account: &AccountName,
    changes: &Records,
) -> Result<(), Fault> {
    let account = account.as_str();
    if let Some(record) = &changes.account {
        transaction.open_table(ACCOUNTS)?.insert(account, to_json(record)?.as_slice())?;
    }
    let mut channels = transaction.open_table(CHANNELS)?;
    for (channel, record) in &changes.channels {
        channels.insert((account, channel.as_str()), to_json(record)?.as_slice())?;
    }
    Ok(())
}

/// Deletes all rows of an account, readable or not. Returns false if there were none.
pub(super) fn forget(transaction: &WriteTransaction, account: &AccountName) -> Result<bool, Fault> {
    let account = account.as_str();
    let mut found = transaction.open_table(ACCOUNTS)?.remove(account)?.is_some();
    let end = next_name(account);
    transaction.open_table(CHANNELS)?.retain_in((account, "")..(end.as_str(), ""), |_, _| {
        found = true;
        false
    })?;
    Ok(found)
}

/// Reads all records of an account.
pub(super) fn load(transaction: &ReadTransaction, account: &AccountName) -> Result<Records, Fault> {
    let account = account.as_str();
    let mut records = Records::default();
    if let Some(row) = transaction.open_table(ACCOUNTS)?.get(account)? {
        records.account = Some(from_json::<AccountRecord>(row.value(), account, "")?);
    }
    let end = next_name(account);
    for row in transaction.open_table(CHANNELS)?.range((account, "")..(end.as_str(), ""))? {
        let (key, row) = row?;
        let (_, channel) = key.value();
        records.channels.insert(channel.into(), from_json::<ChannelRecord>(row.value(), account, channel)?);
    }
    Ok(records)
}

/// Summarizes the rows of every account, by name.
pub(super) fn list(transaction: &ReadTransaction) -> Result<Vec<StoredAccount>, Fault> {
    let mut accounts = BTreeMap::<String, StoredAccount>::new();
    for row in transaction.open_table(ACCOUNTS)?.iter()? {
        let (name, row) = row?;
        let record = from_json::<AccountRecord>(row.value(), name.value(), "")?;
        let account = entry(&mut accounts, name.value());
        (account.user, account.listed_at) = (record.user, record.listed_at);
    }
    for row in transaction.open_table(CHANNELS)?.iter()? {
        entry(&mut accounts, row?.0.value().0).channels += 1;
    }
    Ok(accounts.into_values().collect())
}

fn entry<'a>(accounts: &'a mut BTreeMap<String, StoredAccount>, account: &str) -> &'a mut StoredAccount {
    accounts.entry(account.to_owned()).or_insert_with(|| StoredAccount {
        account: account.to_owned(),
        user: None,
        channels: 0,
        listed_at: None,
    })
}

/// Checks that the tables exist, so that another program's file is refused at once.
pub(super) fn check_tables(transaction: &ReadTransaction) -> Result<(), Fault> {
    let exists = |result: Result<(), TableError>| match result {
        Err(TableError::TableDoesNotExist(name)) => Err(Fault::Malformed(format!("it has no table {name}"))),
        result => result.map_err(Fault::from),
    };
    exists(transaction.open_table(ACCOUNTS).map(drop))?;
    exists(transaction.open_table(CHANNELS).map(drop))
}

/// Returns the next possible name in order: no text lies between `account` and `account` followed by a NUL.
fn next_name(account: &str) -> String {
    format!("{account}\0")
}

fn to_json(record: &impl Serialize) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(record)
        .map_err(|error| Fault::Malformed(format!("a record cannot be serialized: {error}")))
}

fn from_json<'a, T: Deserialize<'a>>(row: &'a [u8], account: &str, channel: &str) -> Result<T, Fault> {
    serde_json::from_slice(row).map_err(|error| {
        let channel = if channel.is_empty() { String::new() } else { format!(", channel {channel}") };
        Fault::Malformed(format!("the row of account {account}{channel} cannot be read: {error}"))
    })
}
