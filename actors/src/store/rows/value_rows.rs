//! The values that bots keep: one row per account, channel and key, as JSON. The table is created with the first of them.

use std::collections::BTreeMap;

use redb::{ReadTransaction, TableDefinition, TableError, TableHandle as _, WriteTransaction};

use super::{copy_table, next_name, unreadable};
use crate::{
    model::{AccountName, ChannelId, ChannelValues, ValueChanges},
    store::error::Fault,
};

const VALUES: TableDefinition<(&str, &str, &str), &[u8]> = TableDefinition::new("values");

/// Reads the values of an account.
pub(super) fn load(
    transaction: &ReadTransaction,
    account: &str,
) -> Result<BTreeMap<ChannelId, ChannelValues>, Fault> {
    let table = match transaction.open_table(VALUES) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(BTreeMap::new()),
        table => table?,
    };
    let mut values = BTreeMap::<ChannelId, ChannelValues>::new();
    let end = next_name(account);
    for row in table.range((account, "", "")..(end.as_str(), "", ""))? {
        let (row_key, row) = row?;
        let (_, channel, key) = row_key.value();
        let value = std::str::from_utf8(row.value()).map_err(|cause| unreadable(account, channel, &cause))?;
        values.entry(channel.into()).or_default().insert(key.into(), value.into());
    }
    Ok(values)
}

/// Puts changes of the values of an account.
pub(in crate::store) fn put(
    transaction: &WriteTransaction,
    account: &AccountName,
    changes: BTreeMap<ChannelId, ValueChanges>,
) -> Result<(), Fault> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(VALUES)?;
    for (channel, changes) in changes {
        for (key, value) in changes {
            let row = (account.as_str(), channel.as_str(), &*key);
            match value {
                Some(value) => drop(table.insert(row, value.as_bytes())?),
                None => drop(table.remove(row)?),
            }
        }
    }
    Ok(())
}

/// Deletes the values of an account. Returns false if there were none.
pub(in crate::store) fn forget(transaction: &WriteTransaction, account: &AccountName) -> Result<bool, Fault> {
    if !transaction.list_tables()?.any(|table| table.name() == VALUES.name()) {
        return Ok(false);
    }
    let (account, mut found) = (account.as_str(), false);
    let end = next_name(account);
    transaction.open_table(VALUES)?.retain_in((account, "", "")..(end.as_str(), "", ""), |_, _| {
        found = true;
        false
    })?;
    Ok(found)
}

/// Copies the table to another file, if there is one.
pub(super) fn copy(from: &ReadTransaction, to: &WriteTransaction) -> Result<(), Fault> {
    match from.open_table(VALUES) {
        Err(TableError::TableDoesNotExist(_)) => Ok(()),
        table => {
            drop(table?);
            copy_table(VALUES, from, to)
        }
    }
}
