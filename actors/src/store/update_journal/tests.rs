use crate::model::AccountRecord;

use super::*;
use crate::store::database_file;

fn of_account(account: AccountChange) -> Changes {
    Changes { account: Some(account), ..Changes::default() }
}

/// Commits changes of one account in one transaction.
fn commit(database: &Database, journal: &mut Journal, changes: Vec<Changes>) {
    let transaction = database.begin_write().unwrap();
    let mut tables = Tables::open(&transaction).unwrap();
    for changes in changes {
        assert!(journal.put(&mut tables, &AccountName::new("a").unwrap(), changes).unwrap());
    }
    journal.finish(&transaction).unwrap();
    drop(tables);
    transaction.commit().unwrap();
}

#[test]
fn the_number_of_a_transaction_is_kept_though_its_row_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let database = database_file::open_or_create(dir.path(), false).unwrap();
    let mut journal = Journal::open(&database).unwrap();
    let record = || of_account(AccountChange::Record(AccountRecord::default()));
    let time = || of_account(AccountChange::ServerTime(1));
    commit(&database, &mut journal, vec![record()]);
    // The second change of the transaction is a whole record, which includes the first.
    commit(&database, &mut journal, vec![time(), record()]);
    assert_eq!((journal.last_row, journal.rows.len()), (2, 0));
    assert_eq!(Journal::open(&database).unwrap().last_row, 2);
}
