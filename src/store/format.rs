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

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    const NOTES: TableDefinition<&str, &str> = TableDefinition::new("notes");

    fn store(version: u64) -> Database {
        let database = redb::Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        let transaction = database.begin_write().unwrap();
        mark(&transaction, version).unwrap();
        transaction.open_table(NOTES).unwrap().insert("a", "old").unwrap();
        transaction.commit().unwrap();
        database
    }

    fn note(database: &Database) -> String {
        let table = database.begin_read().unwrap().open_table(NOTES).unwrap();
        redb::ReadableTable::get(&table, "a").unwrap().unwrap().value().to_owned()
    }

    fn append(transaction: &WriteTransaction, text: &str) -> Result<(), Fault> {
        let mut notes = transaction.open_table(NOTES)?;
        let old =
            redb::ReadableTable::get(&notes, "a")?.map(|old| old.value().to_owned()).unwrap_or_default();
        notes.insert("a", (old + text).as_str())?;
        Ok(())
    }

    fn second(transaction: &WriteTransaction) -> Result<(), Fault> {
        append(transaction, ", second")
    }

    fn third(transaction: &WriteTransaction) -> Result<(), Fault> {
        append(transaction, ", third")
    }

    fn fails(transaction: &WriteTransaction) -> Result<(), Fault> {
        append(transaction, ", half")?;
        Err(Fault::Strange("it cannot be brought up".into()))
    }

    #[test]
    fn each_step_is_taken_once_and_in_order() {
        for (version, expected) in [(1, "old, second, third"), (2, "old, third"), (3, "old")] {
            let database = store(version);
            for _ in 0..2 {
                bring_up(&database, &[second, third]).unwrap();
                assert_eq!((found(&database).unwrap(), note(&database)), (3, expected.to_owned()));
            }
        }
    }

    #[test]
    fn a_step_that_fails_leaves_all_as_it_was() {
        let database = store(1);
        assert!(bring_up(&database, &[second, fails]).is_err());
        assert_eq!((found(&database).unwrap(), note(&database)), (1, "old".to_owned()));
    }

    #[test]
    fn what_is_newer_or_says_nothing_is_refused() {
        for (version, newer) in [(4, true), (u64::MAX, true), (0, false)] {
            let fault = bring_up(&store(version), &[second, third]).unwrap_err();
            assert_eq!(
                matches!(fault, Fault::Newer { found, known: 3 } if found == version),
                newer,
                "{fault:?}"
            );
        }
        let empty = redb::Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        assert!(matches!(bring_up(&empty, &[]), Err(Fault::Strange(_))));
    }
}
