//! Applying the journal that an earlier process left.

use std::collections::BTreeMap;

use crate::model::{AccountName, ChannelId, ChannelUpdate};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _};

use super::{JOURNAL, LAST_ROW, batch, last_given, unless_unreadable};
use crate::store::{error::Fault, format_version::META, rows::Tables};

/// The updates of each record, with the rows that they are from.
#[derive(Default)]
struct Left {
    server_times: BTreeMap<AccountName, (u64, i64)>,
    channels: BTreeMap<(AccountName, ChannelId), Vec<(u64, ChannelUpdate)>>,
}

/// Applies all updates in the journal to their records, in one transaction, and empties it.
pub(in crate::store) fn apply_left(database: &Database) -> Result<(), Fault> {
    let transaction = database.begin_read()?;
    let (mut left, mut last) = (Left::default(), last_given(&transaction)?);
    {
        let journal = transaction.open_table(JOURNAL)?;
        if journal.is_empty()? {
            return Ok(());
        }
        for row in journal.iter()? {
            let (number, row) = row?;
            // The transactions after the last row may have had no updates: their numbers are given, too.
            last = last.max(number.value());
            left.add(number.value(), row.value())?;
        }
    }
    drop(transaction);
    let transaction = database.begin_write()?;
    left.apply(&mut Tables::open(&transaction)?, last)?;
    transaction.delete_table(JOURNAL)?;
    transaction.open_table(JOURNAL)?;
    transaction.open_table(META)?.insert(LAST_ROW, last)?;
    Ok(transaction.commit()?)
}

impl Left {
    fn add(&mut self, number: u64, row: &[u8]) -> Result<(), Fault> {
        for (account, updates) in batch::read(number, row)? {
            if let Some(time) = updates.server_time {
                self.server_times.insert(account.clone(), (number, time));
            }
            for (channel, update) in updates.channels {
                self.channels.entry((account.clone(), channel)).or_default().push((number, update));
            }
        }
        Ok(())
    }

    fn apply(self, tables: &mut Tables<'_>, last: u64) -> Result<(), Fault> {
        for (account, time) in self.server_times {
            unless_unreadable(put_server_time(tables, account.as_str(), time, last))?;
        }
        for ((account, channel), updates) in self.channels {
            unless_unreadable(put_updates(tables, account.as_str(), &channel, updates, last))?;
        }
        Ok(())
    }
}

/// Applies a server time unless the record includes it. A forgotten account has no record.
fn put_server_time(
    tables: &mut Tables<'_>,
    account: &str,
    (number, time): (u64, i64),
    last: u64,
) -> Result<(), Fault> {
    let Some(mut row) = tables.account(account)? else { return Ok(()) };
    if number > row.journal_row {
        (row.record.server_time, row.journal_row) = (time, last);
        tables.put_account(account, &row)?;
    }
    Ok(())
}

/// Applies the updates that the record does not include. A forgotten channel has no record.
fn put_updates(
    tables: &mut Tables<'_>,
    account: &str,
    channel: &ChannelId,
    updates: Vec<(u64, ChannelUpdate)>,
    last: u64,
) -> Result<(), Fault> {
    let Some(mut row) = tables.channel(account, channel)? else { return Ok(()) };
    let included = row.journal_row;
    for (_, update) in updates.into_iter().filter(|(number, _)| *number > included) {
        row.record.apply(update);
        row.journal_row = last;
    }
    if row.journal_row > included { tables.put_channel(account, channel, row) } else { Ok(()) }
}
