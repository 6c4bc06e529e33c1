//! The format's version, and the way from older ones to it.

use redb::{Database, ReadableDatabase as _, TableDefinition, TableError, WriteTransaction};

use super::error::Fault;

/// Facts about the file itself.
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// Where the version is.
const FORMAT: &str = "format";

/// Brings a file from one version to the next, within the transaction that is given.
pub(super) type Step = fn(&WriteTransaction) -> Result<(), Fault>;

/// The first brings version 1 to 2, and so on: the version that this program writes is one more than there are
/// steps. A released step is never changed.
pub(super) const STEPS: &[Step] = &[];

/// The version that is reached with those steps.
pub(super) fn version(steps: &[Step]) -> u64 {
    steps.len() as u64 + 1
}

/// Marks a new file.
pub(super) fn mark(transaction: &WriteTransaction, version: u64) -> Result<(), Fault> {
    transaction.open_table(META)?.insert(FORMAT, version)?;
    Ok(())
}

/// Brings an older file up to date, in one transaction: it is done wholly or not at all. What is newer is refused.
pub(super) fn bring_up(database: &Database, steps: &[Step]) -> Result<(), Fault> {
    let found = found(database)?;
    let known = version(steps);
    if found == known {
        return Ok(());
    }
    let done = usize::try_from(found).ok().and_then(|found| found.checked_sub(1));
    let Some(steps) = done.and_then(|done| steps.get(done..)) else {
        return Err(match found {
            0 => Fault::Strange("it says that it is of format 0, which there never was".into()),
            found => Fault::Newer { found, known },
        });
    };
    let transaction = database.begin_write()?;
    for step in steps {
        step(&transaction)?;
    }
    mark(&transaction, known)?;
    transaction.commit()?;
    Ok(())
}

fn found(database: &Database) -> Result<u64, Fault> {
    let strange = || Fault::Strange("it does not say of which format it is".into());
    match database.begin_read()?.open_table(META) {
        Ok(meta) => Ok(meta.get(FORMAT)?.ok_or_else(strange)?.value()),
        Err(TableError::TableDoesNotExist(_)) => Err(strange()),
        Err(error) => Err(error.into()),
    }
}
