//! A damaged file is refused and never written to, unless the damage turns out to be harmless.

use std::fs;

use matterhost_actors::store::{DiskErrorKind, DiskStore, FILE_NAME, forget, list};
use redb::TableDefinition;

use crate::store_dir::{StoreDir, name, records, seed};

const ACCOUNTS: u32 = 30;
/// The page size of redb.
const PAGE: usize = 4096;
/// A prime, so that the cuts are spread over the pages.
const STEP: usize = 1013;

#[test]
fn a_file_cut_at_any_length_is_refused_as_it_is_or_found_whole() {
    for (whole, what) in StoreDir::filled(ACCOUNTS).iter().zip(["closed", "killed"]) {
        let store_dir = StoreDir::new();
        let last = whole.len() - PAGE;
        let coarse = (PAGE..last).step_by(STEP);
        let (mut refused, mut opened) = (0, 0);
        for len in (0..PAGE).chain(coarse).chain(last..whole.len()) {
            let cut = &whole[..len];
            fs::write(store_dir.file(), cut).unwrap();
            if let Some(store) = refused_or_open(&store_dir, cut, len) {
                all_there(&store_dir, &store, ACCOUNTS, &format!("{what}, cut at {len} of {}", whole.len()));
                store_dir.close(&store);
                opened += 1;
            } else {
                refused += 1;
            }
        }
        println!("{what}, {} bytes: {refused} cuts refused, {opened} found whole", whole.len());
        assert!(refused > PAGE);
    }
}

fn refused_or_open(store_dir: &StoreDir, bytes: &[u8], position: usize) -> Option<DiskStore> {
    match store_dir.open() {
        Ok(store) => Some(store),
        Err(error) => {
            assert_eq!(error.kind, DiskErrorKind::Damaged, "{position}: {error}");
            assert!(store_dir.bytes() == bytes, "{position}: the file was changed");
            None
        }
    }
}

/// The number of changed bytes per run.
const STRIKES: u32 = 100;

#[test]
fn a_file_with_a_wrong_byte_is_refused_as_it_is_or_found_whole() {
    let seed = seed();
    println!("seed {seed}; set MATTERHOST_SEED to repeat this run");
    let mut random = fastrand::Rng::with_seed(seed);
    for (whole, killed) in StoreDir::filled(ACCOUNTS).iter().zip([false, true]) {
        let (mut refused, mut opened) = (0, 0);
        for _ in 0..STRIKES {
            let position = random_position(&mut random, whole.len());
            let mut bytes = whole.clone();
            bytes[position] ^= random.u8(1..);
            let store_dir = StoreDir::new();
            fs::write(store_dir.file(), &bytes).unwrap();
            let Some(store) = refused_or_open(&store_dir, &bytes, position) else {
                refused += 1;
                continue;
            };
            opened += 1;
            // After a kill, a wrong byte in the last commit makes it look incomplete, which undoes it.
            let whole = if killed { ACCOUNTS - 1 } else { ACCOUNTS };
            all_there(&store_dir, &store, whole, &format!("byte {position}, killed: {killed}"));
            store_dir.close(&store);
        }
        println!("killed: {killed}, {refused} refused, {opened} opened");
        assert!(refused > 0 && opened > 0);
    }
}

fn all_there(store_dir: &StoreDir, store: &DiskStore, accounts: u32, what: &str) {
    for n in 0..accounts {
        let found = store_dir.load(store, &format!("bot-{n}")).unwrap();
        assert_eq!(found, records(3, i64::from(n)), "{what}: bot-{n}");
    }
}

/// Returns a random position, half of the time within the header.
fn random_position(random: &mut fastrand::Rng, len: usize) -> usize {
    if random.bool() { random.usize(..512) } else { random.usize(..len) }
}

/// Changes a store directly, without matterhost.
fn modify(store_dir: &StoreDir, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = redb::Database::open(store_dir.file()).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

fn with_an_account() -> StoreDir {
    let store_dir = StoreDir::new();
    let store = store_dir.open().unwrap();
    store_dir.commit(&store, "a", records(2, 1)).unwrap();
    store_dir.commit(&store, "b", records(2, 2)).unwrap();
    store_dir.close(&store);
    store_dir
}

#[test]
fn an_empty_file_is_damage_and_no_beginning() {
    let store_dir = StoreDir::new();
    fs::write(store_dir.file(), "").unwrap();
    let error = store_dir.open().unwrap_err();
    assert!(error.to_string().contains("(it is empty)"), "{error}");
    assert!(store_dir.bytes().is_empty());
}

#[test]
fn a_newer_format_is_refused_and_left_as_it_is() {
    const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
    let store_dir = with_an_account();
    modify(&store_dir, |transaction| {
        transaction.open_table(META).unwrap().insert("format", 7).unwrap();
    });
    let bytes = store_dir.bytes();
    let error = store_dir.open().unwrap_err();
    assert_eq!(error.kind, DiskErrorKind::Newer);
    let message = error.to_string();
    assert!(
        message.contains("the file has format 7, but this program supports formats up to 4"),
        "{message}"
    );
    assert!(message.contains("use the version of matterhost that wrote it"), "{message}");
    assert!(store_dir.bytes() == bytes);
}

#[test]
fn a_file_of_another_program_is_refused_and_left_as_it_is() {
    const OTHERS: TableDefinition<&str, &str> = TableDefinition::new("others");
    let store_dir = StoreDir::new();
    drop(redb::Database::create(store_dir.file()).unwrap());
    modify(&store_dir, |transaction| {
        transaction.open_table(OTHERS).unwrap().insert("a", "b").unwrap();
    });
    let bytes = store_dir.bytes();
    let error = store_dir.open().unwrap_err();
    assert!(error.to_string().contains("not a matterhost store (it has no format version)"));
    assert!(store_dir.bytes() == bytes);
}

/// Replaces the row of account `a`.
fn spoil_an_account(store_dir: &StoreDir) {
    const ACCOUNTS: TableDefinition<&str, &[u8]> = TableDefinition::new("accounts");
    modify(store_dir, |transaction| {
        transaction.open_table(ACCOUNTS).unwrap().insert("a", &b"{\"server_time\":true}"[..]).unwrap();
    });
}

#[test]
fn a_row_that_cannot_be_read_is_its_accounts_trouble_alone() {
    let store_dir = with_an_account();
    spoil_an_account(&store_dir);
    let store = store_dir.open().unwrap();
    let message = store_dir.load(&store, "a").unwrap_err().to_string();
    assert!(message.contains("the row of account a cannot be read"), "{message}");
    assert!(message.contains("`matterhost state forget a`"), "{message}");
    assert!(!message.contains("damaged") && !message.contains("move the file"), "{message}");
    assert_eq!(store_dir.load(&store, "b").unwrap(), records(2, 2));
    store_dir.close(&store);
    assert_eq!(forget(store_dir.dir(), &name("a")), Ok(true), "forgetting the account fixes it");
    let store = store_dir.open().unwrap();
    assert!(store_dir.load(&store, "a").unwrap().is_empty());
    assert_eq!(store_dir.load(&store, "b").unwrap(), records(2, 2));
}

/// Replaces the row of a channel of account `a`.
fn spoil_a_channel(store_dir: &StoreDir) {
    const CHANNELS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("channels");
    modify(store_dir, |transaction| {
        transaction.open_table(CHANNELS).unwrap().insert(("a", "spoiled"), &b"\xff"[..]).unwrap();
    });
}

#[test]
fn a_list_has_all_accounts_though_a_row_of_one_cannot_be_read() {
    for spoil in [spoil_an_account, spoil_a_channel] {
        let store_dir = with_an_account();
        spoil(&store_dir);
        let listed = list(store_dir.dir()).unwrap();
        let names: Vec<_> = listed.iter().map(|stored| &*stored.account).collect();
        assert_eq!(names, ["a", "b"]);
        let problem = listed[0].unreadable.as_ref().unwrap();
        assert!(problem.contains("account a") && problem.contains("cannot be read"), "{problem}");
        assert_eq!(listed[1].unreadable, None);
    }
}

#[test]
fn a_file_that_changes_too_fast_to_be_copied_is_not_called_damaged() {
    let store_dir = with_an_account();
    let store = store_dir.open().unwrap();
    // As a copy of a file that is being written: its checksums are wrong.
    let mut bytes = store_dir.bytes();
    bytes[64..].fill(7);
    fs::write(store_dir.file(), &bytes).unwrap();
    let error = list(store_dir.dir()).unwrap_err();
    let message = error.to_string();
    assert_eq!((error.kind, error.path), (DiskErrorKind::InUse, store_dir.dir().join(FILE_NAME)));
    assert!(message.contains("try again") && !message.contains("move the file"), "{message}");
    drop(store);
}
