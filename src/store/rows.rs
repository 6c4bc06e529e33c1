//! What lies where: a row an account, and a row a channel, each a JSON object.

use std::collections::BTreeMap;

use matterhost_actors::model::{AccountName, AccountRecord, ChannelRecord, Records, UserId};
use redb::{ReadTransaction, ReadableTable as _, TableDefinition, TableError, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::error::Fault;

/// By the account's name.
const ACCOUNTS: TableDefinition<&str, &[u8]> = TableDefinition::new("accounts");

/// By the account's name and the channel's id: parts of a key that cannot run into each other.
const CHANNELS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("channels");

/// What is kept of one account, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The account's name, as the configuration had it.
    pub account: String,
    /// The user that its token named.
    pub user: Option<UserId>,
    /// How many channels have a cursor.
    pub channels: usize,
    /// The newest server time that was seen at the last complete listing, in milliseconds.
    pub listed_at: Option<i64>,
}

/// Makes the tables of a new file.
pub(super) fn make(transaction: &WriteTransaction) -> Result<(), Fault> {
    transaction.open_table(ACCOUNTS)?;
    transaction.open_table(CHANNELS)?;
    Ok(())
}

/// Puts changes on what is kept of an account.
pub(super) fn put(
    transaction: &WriteTransaction,
    account: &AccountName,
    changes: &Records,
) -> Result<(), Fault> {
    let account = account.as_str();
    if let Some(record) = &changes.account {
        transaction.open_table(ACCOUNTS)?.insert(account, write(record)?.as_slice())?;
    }
    let mut channels = transaction.open_table(CHANNELS)?;
    for (channel, record) in &changes.channels {
        channels.insert((account, channel.as_str()), write(record)?.as_slice())?;
    }
    Ok(())
}

/// Takes out all that is kept of an account, readable or not, and says whether there was anything.
pub(super) fn forget(transaction: &WriteTransaction, account: &AccountName) -> Result<bool, Fault> {
    let account = account.as_str();
    let mut found = transaction.open_table(ACCOUNTS)?.remove(account)?.is_some();
    let end = after(account);
    transaction.open_table(CHANNELS)?.retain_in((account, "")..(end.as_str(), ""), |_, _| {
        found = true;
        false
    })?;
    Ok(found)
}

/// All that is kept of an account.
pub(super) fn load(transaction: &ReadTransaction, account: &AccountName) -> Result<Records, Fault> {
    let account = account.as_str();
    let mut records = Records::default();
    if let Some(row) = transaction.open_table(ACCOUNTS)?.get(account)? {
        records.account = Some(read::<AccountRecord>(row.value(), account, "")?);
    }
    let end = after(account);
    for row in transaction.open_table(CHANNELS)?.range((account, "")..(end.as_str(), ""))? {
        let (key, row) = row?;
        let (_, channel) = key.value();
        records.channels.insert(channel.into(), read::<ChannelRecord>(row.value(), account, channel)?);
    }
    Ok(records)
}

/// What is kept of every account, in short.
pub(super) fn list(transaction: &ReadTransaction) -> Result<Vec<Kept>, Fault> {
    let mut kept = BTreeMap::<String, Kept>::new();
    for row in transaction.open_table(ACCOUNTS)?.iter()? {
        let (name, row) = row?;
        let record = read::<AccountRecord>(row.value(), name.value(), "")?;
        let one = of(&mut kept, name.value());
        (one.user, one.listed_at) = (record.user, record.listed_at);
    }
    for row in transaction.open_table(CHANNELS)?.iter()? {
        of(&mut kept, row?.0.value().0).channels += 1;
    }
    Ok(kept.into_values().collect())
}

fn of<'a>(kept: &'a mut BTreeMap<String, Kept>, account: &str) -> &'a mut Kept {
    kept.entry(account.to_owned()).or_insert_with(|| Kept {
        account: account.to_owned(),
        user: None,
        channels: 0,
        listed_at: None,
    })
}

/// Whether the tables are there, so that a file which only looks like a store is found out at once.
pub(super) fn look(transaction: &ReadTransaction) -> Result<(), Fault> {
    let there = |result: Result<(), TableError>| match result {
        Err(TableError::TableDoesNotExist(name)) => Err(Fault::Strange(format!("it has no table {name}"))),
        result => result.map_err(Fault::from),
    };
    there(transaction.open_table(ACCOUNTS).map(drop))?;
    there(transaction.open_table(CHANNELS).map(drop))
}

/// The name that comes next in order: nothing lies between a text and the same text with a zero behind it.
fn after(account: &str) -> String {
    format!("{account}\0")
}

fn write(record: &impl Serialize) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(record).map_err(|error| Fault::Strange(format!("a record cannot be written: {error}")))
}

fn read<'a, T: Deserialize<'a>>(row: &'a [u8], account: &str, channel: &str) -> Result<T, Fault> {
    serde_json::from_slice(row).map_err(|error| {
        let channel = if channel.is_empty() { String::new() } else { format!(", channel {channel}") };
        Fault::Strange(format!("the row of account {account}{channel} cannot be read: {error}"))
    })
}
