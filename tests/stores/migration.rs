//! A file that an earlier version wrote keeps its content.

use std::{fs, io::Read as _};

use flate2::read::GzDecoder;
use matterhost_actors::model::{AccountRecord, ChannelRecord, PostId, Records, ResumePoint, UserId};
use matterhost_actors::store::{StoreStatus, inspect, list};

use crate::store_dir::{StoreDir, update};

/// Written by the last program with format 1, with the records of `expected`.
const FORMAT_1: &[u8] = include_bytes!("../fixtures/store/cursors-format-1.redb.gz");

fn post(n: i64) -> (i64, PostId) {
    (1_790_000_000_000 + n, format!("post{n:022}").as_str().into())
}

fn channel(n: i64) -> ChannelRecord {
    ChannelRecord {
        anchor_at: post(n).0,
        anchor: (n > 0).then(|| post(n).1),
        since: (n + 1..n + 5 + 100 * n).map(post).collect(),
        seen_until: post(n + 5).0,
        edited_until: post(n + 2).0,
        edits: vec![post(n + 3)],
        deleted: vec![post(n + 4).1],
        left: n % 2 == 1,
        joining: n % 3 == 1,
        hole: n % 2 == 0,
        beyond: vec![post(n + 6)],
        absent_since: None,
    }
}

/// Returns the records of each account in the file.
fn expected() -> [(&'static str, Records); 3] {
    let full = AccountRecord {
        user: Some(UserId::from("user00000000000000000000ab")),
        baseline: Some(1_790_000_000_123),
        resume: Some(ResumePoint { connection_id: "connection".into(), next_seq: 7, handled: Vec::new() }),
        listed_at: Some(1_790_000_000_456),
        server_time: 1_790_000_000_789,
    };
    let records = |account, count: i64| {
        let channels = (0..count).map(|n| (format!("channel{n:019}").as_str().into(), channel(n)));
        Records { account, channels: channels.collect(), ..Records::default() }
    };
    [
        ("busy", records(Some(full), 6)),
        ("new", records(Some(AccountRecord::default()), 0)),
        ("without.record", records(None, 2)),
    ]
}

/// Returns a directory with the file of format 1.
fn of_format_1() -> StoreDir {
    let store_dir = StoreDir::new();
    let mut file = Vec::new();
    GzDecoder::new(FORMAT_1).read_to_end(&mut file).unwrap();
    fs::write(store_dir.file(), file).unwrap();
    store_dir
}

#[test]
fn a_file_of_format_1_keeps_its_records() {
    let store_dir = of_format_1();
    let before = store_dir.bytes();
    assert_eq!(inspect(store_dir.dir()), Ok(StoreStatus::Usable));
    let listed = list(store_dir.dir()).unwrap();
    let summary = listed.iter().map(|account| (&*account.account, account.channels, account.listed_at));
    let expected_summary =
        [("busy", 6, Some(1_790_000_000_456)), ("new", 0, None), ("without.record", 2, None)];
    assert_eq!(summary.collect::<Vec<_>>(), expected_summary);
    assert!(store_dir.bytes() == before, "only a host migrates it");
    for _ in 0..2 {
        let store = store_dir.open().unwrap();
        for (account, records) in expected() {
            assert_eq!(store_dir.load(&store, account), Ok(records), "{account}");
        }
        store_dir.close(&store);
    }
    assert_eq!(list(store_dir.dir()).unwrap(), listed);
}

#[test]
fn a_migrated_file_is_used_like_any_other() {
    let store_dir = of_format_1();
    let store = store_dir.open().unwrap();
    let mut records = expected()[0].1.clone();
    let more = crate::store_dir::records(2, 4);
    store_dir.commit(&store, "busy", more.clone()).unwrap();
    store_dir.commit(&store, "busy", update(2, 5)).unwrap();
    assert!(records.put(more.into()) && records.put(update(2, 5)));
    store_dir.close(&store);
    let store = store_dir.open().unwrap();
    assert_eq!(store_dir.load(&store, "busy"), Ok(records));
}

#[test]
fn a_row_of_format_1_that_cannot_be_read_stays_its_accounts_trouble() {
    const ACCOUNTS: redb::TableDefinition<&str, &[u8]> = redb::TableDefinition::new("accounts");
    let store_dir = of_format_1();
    let database = redb::Database::open(store_dir.file()).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(ACCOUNTS).unwrap().insert("new", &b"{\"server_time\":true}"[..]).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let store = store_dir.open().unwrap();
    let message = store_dir.load(&store, "new").unwrap_err().to_string();
    assert!(message.contains("the row of account new cannot be read"), "{message}");
    assert_eq!(store_dir.load(&store, "busy").unwrap(), expected()[0].1);
}
