//! The tables of records: one row per account and one per channel.
//!
//! Each row begins with the version of its encoding and with the last row of the journal that it includes.

mod encoding;
mod json;
pub(super) mod value_rows;

pub(super) use encoding::{decode, encode};
pub(super) use json::migrate_from_json;

use std::collections::BTreeMap;

use crate::model::{AccountName, AccountRecord, ChannelId, ChannelRecord, Records, UserId};
use redb::{
    Key, ReadTransaction, ReadableTable as _, Table, TableDefinition, TableError, Value, WriteTransaction,
};

use super::{error::Fault, format_version::META, update_journal};

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
    /// The problem of a row that cannot be read, which keeps the account from starting.
    pub unreadable: Option<String>,
}

/// A record with the last row of the journal that it includes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Included<T> {
    pub(super) record: T,
    pub(super) journal_row: u64,
}

/// Copies all rows to the tables of another file, and the number up to which the records include the journal.
pub(super) fn copy(from: &ReadTransaction, to: &WriteTransaction) -> Result<(), Fault> {
    copy_table(META, from, to)?;
    copy_table(ACCOUNTS, from, to)?;
    copy_table(CHANNELS, from, to)?;
    copy_table(update_journal::JOURNAL, from, to)?;
    value_rows::copy(from, to)
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

/// The tables, open for writing.
pub(super) struct Tables<'a> {
    accounts: Table<'a, &'static str, &'static [u8]>,
    channels: Table<'a, (&'static str, &'static str), &'static [u8]>,
}

impl<'a> Tables<'a> {
    /// Opens the tables; they are created in a new file.
    pub(super) fn open(transaction: &'a WriteTransaction) -> Result<Self, Fault> {
        Ok(Self { accounts: transaction.open_table(ACCOUNTS)?, channels: transaction.open_table(CHANNELS)? })
    }

    pub(super) fn has_account(&self, account: &str) -> Result<bool, Fault> {
        Ok(self.accounts.get(account)?.is_some())
    }

    pub(super) fn has_channel(&self, account: &str, channel: &ChannelId) -> Result<bool, Fault> {
        Ok(self.channels.get((account, channel.as_str()))?.is_some())
    }

    pub(super) fn account(&self, account: &str) -> Result<Option<Included<AccountRecord>>, Fault> {
        let Some(row) = self.accounts.get(account)? else { return Ok(None) };
        encoding::read_account(row.value(), account).map(Some)
    }

    pub(super) fn channel(
        &self,
        account: &str,
        channel: &ChannelId,
    ) -> Result<Option<Included<ChannelRecord>>, Fault> {
        let Some(row) = self.channels.get((account, channel.as_str()))? else { return Ok(None) };
        encoding::read_channel(row.value(), account, channel.as_str()).map(Some)
    }

    pub(super) fn put_account(&mut self, account: &str, row: &Included<AccountRecord>) -> Result<(), Fault> {
        self.accounts.insert(account, encoding::write_account(row)?.as_slice())?;
        Ok(())
    }

    pub(super) fn put_channel(
        &mut self,
        account: &str,
        channel: &ChannelId,
        row: Included<ChannelRecord>,
    ) -> Result<(), Fault> {
        self.channels.insert((account, channel.as_str()), encoding::write_channel(row)?.as_slice())?;
        Ok(())
    }

    pub(super) fn remove_channel(&mut self, account: &str, channel: &ChannelId) -> Result<(), Fault> {
        self.channels.remove((account, channel.as_str()))?;
        Ok(())
    }

    /// Deletes all rows of an account, readable or not. Returns false if there were none.
    pub(super) fn forget(&mut self, account: &AccountName) -> Result<bool, Fault> {
        let account = account.as_str();
        let mut found = self.accounts.remove(account)?.is_some();
        let end = next_name(account);
        self.channels.retain_in((account, "")..(end.as_str(), ""), |_, _| {
            found = true;
            false
        })?;
        Ok(found)
    }
}

/// Reads all records of an account, without what is only in the journal.
pub(super) fn load(transaction: &ReadTransaction, account: &AccountName) -> Result<Records, Fault> {
    let account = account.as_str();
    let mut records = Records::default();
    if let Some(row) = transaction.open_table(ACCOUNTS)?.get(account)? {
        records.account = Some(encoding::read_account(row.value(), account)?.record);
    }
    let end = next_name(account);
    for row in transaction.open_table(CHANNELS)?.range((account, "")..(end.as_str(), ""))? {
        let (key, row) = row?;
        let (_, channel) = key.value();
        let record = encoding::read_channel(row.value(), account, channel)?.record;
        records.channels.insert(channel.into(), record);
    }
    records.values = value_rows::load(transaction, account)?;
    Ok(records)
}

/// Summarizes the rows of every account, by name.
pub(super) fn list(transaction: &ReadTransaction) -> Result<Vec<StoredAccount>, Fault> {
    let mut accounts = BTreeMap::<String, StoredAccount>::new();
    for row in transaction.open_table(ACCOUNTS)?.iter()? {
        let (name, row) = row?;
        let account = entry(&mut accounts, name.value());
        if let Some(record) = account.read(encoding::read_account(row.value(), name.value()))? {
            (account.user, account.listed_at) = (record.user, record.listed_at);
        }
    }
    for row in transaction.open_table(CHANNELS)?.iter()? {
        let (key, row) = row?;
        let (name, channel) = key.value();
        let account = entry(&mut accounts, name);
        account.channels += 1;
        account.read(encoding::read_channel(row.value(), name, channel))?;
    }
    Ok(accounts.into_values().collect())
}

impl StoredAccount {
    /// Returns the record of a row. The problem of the first row that cannot be read is kept.
    fn read<T>(&mut self, row: Result<Included<T>, Fault>) -> Result<Option<T>, Fault> {
        match row {
            Ok(row) => Ok(Some(row.record)),
            Err(Fault::Unreadable { what, .. }) => {
                self.unreadable.get_or_insert(what);
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }
}

fn entry<'a>(accounts: &'a mut BTreeMap<String, StoredAccount>, account: &str) -> &'a mut StoredAccount {
    accounts.entry(account.to_owned()).or_insert_with(|| StoredAccount {
        account: account.to_owned(),
        user: None,
        channels: 0,
        listed_at: None,
        unreadable: None,
    })
}

/// Checks that the tables exist, so that another program's file is refused at once.
pub(super) fn check_tables(transaction: &ReadTransaction) -> Result<(), Fault> {
    let exists = |result: Result<(), TableError>| match result {
        Err(TableError::TableDoesNotExist(name)) => Err(Fault::Malformed(format!("it has no table {name}"))),
        result => result.map_err(Fault::from),
    };
    exists(transaction.open_table(ACCOUNTS).map(drop))?;
    exists(transaction.open_table(CHANNELS).map(drop))?;
    exists(transaction.open_table(update_journal::JOURNAL).map(drop))
}

/// Returns the next possible name in order: no text lies between `account` and `account` followed by a NUL.
fn next_name(account: &str) -> String {
    format!("{account}\0")
}

/// Creates the error of a row that cannot be read.
fn unreadable(account: &str, channel: &str, cause: &dyn std::fmt::Display) -> Fault {
    let channel = if channel.is_empty() { String::new() } else { format!(", channel {channel}") };
    let what = format!("the row of account {account}{channel} cannot be read: {cause}");
    Fault::Unreadable { account: account.to_owned(), what }
}
