//! The journal: one row per transaction, with the updates of all its accounts.
//!
//! A record that is updated is not written again with each update. Its updates are kept in the journal, and merged in
//! memory, until the journal has grown to its limit. Then the oldest are applied to their records, a few in each
//! transaction, and the rows of the journal that are no longer needed are deleted. A record says which row of the
//! journal it includes last, so that no update is ever applied twice. At the start of a process all of them are applied.

mod batch;
mod pending;
mod startup;

pub(super) use startup::apply_left;

use std::collections::VecDeque;

use crate::model::{AccountChange, AccountName, Changes, ChannelChange, ChannelId, ChannelUpdate};
use redb::{Database, ReadTransaction, ReadableDatabase as _, TableDefinition, WriteTransaction};

use self::{batch::Batch, pending::Pending};
use super::{
    error::Fault,
    format_version::META,
    rows::{Included, Tables},
};

/// Rows of updates, by number.
pub(super) const JOURNAL: TableDefinition<u64, &[u8]> = TableDefinition::new("journal");

/// Key of the last number that was given to a transaction without a row in the journal.
const LAST_ROW: &str = "journal_row";

/// The size at which the oldest updates are applied to their records, in bytes. Some ten thousand updates: a busy channel's
/// record is then written once in a minute or two, and a start after a kill applies them in a tenth of a second.
const LIMIT: usize = 2 << 20;

/// The records that a transaction updates from a full journal, at least. It is not delayed noticeably by them.
const APPLIED_AT_ONCE: usize = 64;

/// The updates of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Updates {
    /// The newest server time, if the account's record changes.
    pub(super) server_time: Option<i64>,
    pub(super) channels: Vec<(ChannelId, ChannelUpdate)>,
}

/// The updates that are only in the journal, and the rows that hold them.
#[derive(Debug)]
pub(super) struct Journal {
    /// The last number that was given to a transaction.
    last_row: u64,
    /// The number and the size of each row.
    rows: VecDeque<(u64, usize)>,
    bytes: usize,
    pending: Pending,
    batch: Batch,
}

impl Updates {
    pub(super) fn is_empty(&self) -> bool {
        self.server_time.is_none() && self.channels.is_empty()
    }
}

impl Journal {
    /// Creates the journal of a file in which no updates are left to apply.
    pub(super) fn open(database: &Database) -> Result<Self, Fault> {
        Ok(Self {
            last_row: last_given(&database.begin_read()?)?,
            rows: VecDeque::new(),
            bytes: 0,
            pending: Pending::default(),
            batch: Batch::default(),
        })
    }

    /// Returns the number of the current transaction. A record written by it includes all updates up to this one.
    fn current_row(&self) -> u64 {
        self.last_row + 1
    }

    /// True if updates of the account are not in its records yet.
    pub(super) fn has_account(&self, account: &AccountName) -> bool {
        self.pending.has_account(account)
    }

    /// True if the updates can be applied, because there are records.
    fn can_apply(
        &self,
        tables: &Tables<'_>,
        account: &AccountName,
        updates: &Updates,
    ) -> Result<bool, Fault> {
        if updates.server_time.is_some()
            && !self.pending.has_server_time(account)
            && !tables.has_account(account.as_str())?
        {
            return Ok(false);
        }
        for (channel, _) in &updates.channels {
            if !self.pending.has_channel(account, channel)
                && !tables.has_channel(account.as_str(), channel)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds the changes of an account to the current transaction: whole records to their tables, updates to the journal.
    /// Returns false without changing anything if there is no record for an update.
    pub(super) fn put(
        &mut self,
        tables: &mut Tables<'_>,
        account: &AccountName,
        changes: Changes,
    ) -> Result<bool, Fault> {
        let (mut updates, mut records, mut removed) = (Updates::default(), Vec::new(), Vec::new());
        for (channel, change) in changes.channels {
            match change {
                ChannelChange::Update(update) => updates.channels.push((channel, *update)),
                ChannelChange::Record(record) => records.push((channel, *record)),
                ChannelChange::Removed => removed.push(channel),
            }
        }
        let record = match changes.account {
            Some(AccountChange::Record(record)) => Some(record),
            Some(AccountChange::ServerTime(time)) => {
                updates.server_time = Some(time);
                None
            }
            None => None,
        };
        if !self.can_apply(tables, account, &updates)? {
            return Ok(false);
        }
        self.add(account, updates);
        let journal_row = self.current_row();
        for (channel, record) in records {
            self.pending.take_channel(account, &channel);
            tables.put_channel(account.as_str(), &channel, Included { record, journal_row })?;
        }
        for channel in removed {
            self.pending.take_channel(account, &channel);
            tables.remove_channel(account.as_str(), &channel)?;
        }
        if let Some(record) = record {
            self.pending.take_server_time(account);
            tables.put_account(account.as_str(), &Included { record, journal_row })?;
        }
        Ok(true)
    }

    /// Adds updates to the current transaction.
    fn add(&mut self, account: &AccountName, updates: Updates) {
        self.batch.add(account, &updates);
        self.pending.add(self.current_row(), account, updates);
    }

    /// Drops the updates of an account that is forgotten.
    pub(super) fn forget(&mut self, account: &AccountName) {
        self.pending.remove_account(account);
    }

    /// Applies the oldest updates to their records if the journal is full: more than the current transaction adds.
    pub(super) fn apply_oldest(&mut self, tables: &mut Tables<'_>, added: usize) -> Result<(), Fault> {
        if self.bytes <= LIMIT {
            return Ok(());
        }
        for _ in 0..APPLIED_AT_ONCE.max(2 * added) {
            let Some((account, channel)) = self.pending.oldest() else { break };
            self.apply(tables, &account, channel.as_ref())?;
        }
        Ok(())
    }

    /// Applies all updates of an account to its records.
    pub(super) fn apply_account(
        &mut self,
        tables: &mut Tables<'_>,
        account: &AccountName,
    ) -> Result<(), Fault> {
        self.apply(tables, account, None)?;
        for channel in self.pending.channels(account) {
            self.apply(tables, account, Some(&channel))?;
        }
        Ok(())
    }

    /// Applies the updates of a record, before the current transaction adds any to it. A record that cannot be read stays
    /// as it is.
    fn apply(
        &mut self,
        tables: &mut Tables<'_>,
        account: &AccountName,
        channel: Option<&ChannelId>,
    ) -> Result<(), Fault> {
        let name = account.as_str();
        let applied = match channel {
            None => match self.pending.take_server_time(account) {
                Some(server_time) => put_server_time(tables, name, server_time, self.last_row),
                None => Ok(()),
            },
            Some(channel) => match self.pending.take_channel(account, channel) {
                Some(update) => put_update(tables, name, channel, update, self.last_row),
                None => Ok(()),
            },
        };
        unless_unreadable(applied)
    }

    /// Writes the current transaction's row, and deletes those that are no longer needed.
    pub(super) fn finish(&mut self, transaction: &WriteTransaction) -> Result<(), Fault> {
        let row = self.current_row();
        let mut journal = transaction.open_table(JOURNAL)?;
        if let Some(bytes) = self.batch.take()? {
            journal.insert(row, bytes.as_slice())?;
            self.rows.push_back((row, bytes.len()));
            self.bytes += bytes.len();
        }
        self.last_row = row;
        let needed_from = self.pending.first_row().unwrap_or(row + 1);
        while let Some((row, bytes)) = self.rows.front().copied().filter(|(row, _)| *row < needed_from) {
            self.rows.pop_front();
            journal.remove(row)?;
            self.bytes -= bytes;
        }
        if self.rows.back().is_none_or(|(last, _)| *last != row) {
            transaction.open_table(META)?.insert(LAST_ROW, row)?;
        }
        Ok(())
    }
}

/// Returns the last number that was given to a transaction without a row in the journal.
fn last_given(transaction: &ReadTransaction) -> Result<u64, Fault> {
    Ok(transaction.open_table(META)?.get(LAST_ROW)?.map_or(0, |row| row.value()))
}

fn put_server_time(tables: &mut Tables<'_>, account: &str, server_time: i64, row: u64) -> Result<(), Fault> {
    let Some(mut kept) = tables.account(account)? else { return Ok(()) };
    (kept.record.server_time, kept.journal_row) = (server_time, row);
    tables.put_account(account, &kept)
}

fn put_update(
    tables: &mut Tables<'_>,
    account: &str,
    channel: &ChannelId,
    update: ChannelUpdate,
    row: u64,
) -> Result<(), Fault> {
    let Some(mut kept) = tables.channel(account, channel)? else { return Ok(()) };
    kept.record.apply(update);
    kept.journal_row = row;
    tables.put_channel(account, channel, kept)
}

/// Passes over the fault of a row that cannot be read: it is reported when its account is loaded.
fn unless_unreadable(result: Result<(), Fault>) -> Result<(), Fault> {
    match result {
        Err(Fault::Unreadable { .. }) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests;
