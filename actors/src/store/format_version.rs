//! The format version of the file, and the migrations from older formats.

use redb::{Database, ReadableDatabase as _, TableDefinition, TableError, WriteTransaction};

use super::{error::Fault, rows};

/// The table of facts about the file itself.
pub(super) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// Key of the version.
const FORMAT: &str = "format";

/// A migration from one version to the next, within the given transaction.
pub(super) type Step = fn(&WriteTransaction) -> Result<(), Fault>;

/// The migrations: the first from version 1 to 2, and so on. The current version is therefore one more than their
/// number. A released step is never changed.
pub(super) const STEPS: &[Step] = &[
    rows::migrate_from_json,
    // In format 3 rows of channels may have a time of absence. Older rows are read as they are.
    |_| Ok(()),
    // In format 4 rows of accounts may name events that were handled. Older rows are read as they are.
    |_| Ok(()),
];

/// Returns the version that the steps lead to.
pub(super) fn version(steps: &[Step]) -> u64 {
    steps.len() as u64 + 1
}

/// Writes the version of the file.
pub(super) fn set_version(transaction: &WriteTransaction, version: u64) -> Result<(), Fault> {
    transaction.open_table(META)?.insert(FORMAT, version)?;
    Ok(())
}

/// Migrates an older file in one transaction. Refuses a newer file.
pub(super) fn migrate(database: &Database, steps: &[Step]) -> Result<(), Fault> {
    let found = read_version(database)?;
    let known = version(steps);
    if found == known {
        return Ok(());
    }
    let applied = usize::try_from(found).ok().and_then(|found| found.checked_sub(1));
    let Some(steps) = applied.and_then(|applied| steps.get(applied..)) else {
        return Err(match found {
            0 => Fault::Malformed("it has format 0, which does not exist".into()),
            found => Fault::Newer { found, known },
        });
    };
    let transaction = database.begin_write()?;
    for step in steps {
        step(&transaction)?;
    }
    set_version(&transaction, known)?;
    transaction.commit()?;
    Ok(())
}

fn read_version(database: &Database) -> Result<u64, Fault> {
    let missing = || Fault::Malformed("it has no format version".into());
    match database.begin_read()?.open_table(META) {
        Ok(meta) => Ok(meta.get(FORMAT)?.ok_or_else(missing)?.value()),
        Err(TableError::TableDoesNotExist(_)) => Err(missing()),
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
        set_version(&transaction, version).unwrap();
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
        Err(Fault::Malformed("this step fails".into()))
    }

    #[test]
    fn each_step_is_taken_once_and_in_order() {
        for (version, expected) in [(1, "old, second, third"), (2, "old, third"), (3, "old")] {
            let database = store(version);
            for _ in 0..2 {
                migrate(&database, &[second, third]).unwrap();
                assert_eq!((read_version(&database).unwrap(), note(&database)), (3, expected.to_owned()));
            }
        }
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let database = store(1);
        assert!(migrate(&database, &[second, fails]).is_err());
        assert_eq!((read_version(&database).unwrap(), note(&database)), (1, "old".to_owned()));
    }

    #[test]
    fn a_newer_version_or_none_is_refused() {
        for (version, newer) in [(4, true), (u64::MAX, true), (0, false)] {
            let fault = migrate(&store(version), &[second, third]).unwrap_err();
            assert_eq!(
                matches!(fault, Fault::Newer { found, known: 3 } if found == version),
                newer,
                "{fault:?}"
            );
        }
        let empty = redb::Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        assert!(matches!(migrate(&empty, &[]), Err(Fault::Malformed(_))));
    }
}
