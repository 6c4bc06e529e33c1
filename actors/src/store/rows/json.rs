//! The rows of format 1, which were JSON objects.

use crate::model::{AccountRecord, ChannelRecord};
use redb::{ReadableTable as _, WriteTransaction};

use super::{ACCOUNTS, CHANNELS, Included, encoding};
use crate::store::{error::Fault, update_journal::JOURNAL};

/// Encodes all rows of format 1 anew, and creates the journal. A row that cannot be read stays as it is: it remains the
/// trouble of its account alone.
pub(in crate::store) fn migrate_from_json(transaction: &WriteTransaction) -> Result<(), Fault> {
    transaction.open_table(JOURNAL)?;
    let mut accounts = transaction.open_table(ACCOUNTS)?;
    let mut encoded = Vec::new();
    for row in accounts.iter()? {
        let (name, row) = row?;
        if let Ok(record) = serde_json::from_slice::<AccountRecord>(row.value()) {
            let row = encoding::write_account(&Included { record, journal_row: 0 })?;
            encoded.push((name.value().to_owned(), row));
        }
    }
    for (name, row) in encoded {
        accounts.insert(name.as_str(), row.as_slice())?;
    }
    let mut channels = transaction.open_table(CHANNELS)?;
    let mut encoded = Vec::new();
    for row in channels.iter()? {
        let (key, row) = row?;
        if let Ok(record) = serde_json::from_slice::<ChannelRecord>(row.value()) {
            let (account, channel) = key.value();
            let row = encoding::write_channel(Included { record, journal_row: 0 })?;
            encoded.push((account.to_owned(), channel.to_owned(), row));
        }
    }
    for (account, channel, row) in encoded {
        channels.insert((account.as_str(), channel.as_str()), row.as_slice())?;
    }
    Ok(())
}
