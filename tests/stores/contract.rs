//! The store on disk fulfils the contract of its port.

#[path = "../../actors/tests/contracts/cursor_store.rs"]
mod cursor_store;

use std::{fs, sync::Arc};

use matterhost_actors::model::Records;
use matterhost_actors::store::{DiskErrorKind, DiskSettings, DiskStore, StoreStatus, forget, inspect, list};

use crate::store_dir::{StoreDir, name, records};

#[test]
fn the_store_on_disk_is_a_cursor_store() {
    for fsync in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let open = || DiskStore::open(dir.path(), DiskSettings { fsync }).unwrap();
        actix::System::new().block_on(cursor_store::check_contract(open(), async |store: Arc<DiskStore>| {
            store.close().await.unwrap();
            drop(store);
            open()
        }));
    }
}

#[test]
fn a_store_that_is_dropped_instead_of_closed_is_found_whole() {
    let store_dir = StoreDir::new();
    let open = || store_dir.open().unwrap();
    actix::System::new().block_on(cursor_store::check_contract(open(), async |store: Arc<DiskStore>| {
        drop(store);
        open()
    }));
}

#[test]
fn stored_state_is_listed_and_deleted_per_account() {
    let store_dir = StoreDir::new();
    let store = store_dir.open().unwrap();
    assert!(forget(store_dir.dir(), &name("a")).is_err_and(|error| error.kind == DiskErrorKind::InUse));
    store_dir.commit(&store, "a", records(3, 1)).unwrap();
    store_dir.commit(&store, "b", Records { account: None, ..records(2, 2) }).unwrap();
    store_dir.close(&store);
    let closed = store_dir.commit(&store, "a", records(3, 2)).unwrap_err().to_string();
    assert!(closed.contains("the store is closed"), "{closed}");
    let bytes = store_dir.bytes();
    let kept: Vec<_> =
        list(store_dir.dir()).unwrap().into_iter().map(|kept| (kept.account, kept.channels)).collect();
    assert_eq!(kept, [("a".to_owned(), 3), ("b".to_owned(), 2)]);
    assert_eq!(inspect(store_dir.dir()), Ok(StoreStatus::Usable));
    assert!(store_dir.bytes() == bytes, "inspecting the store changes nothing");
    assert_eq!(forget(store_dir.dir(), &name("a")), Ok(true));
    assert_eq!(forget(store_dir.dir(), &name("a")), Ok(false));
    assert_eq!(list(store_dir.dir()).unwrap().len(), 1);
}

#[test]
fn a_deleted_file_or_directory_is_written_again() {
    let remove_file = |store_dir: &StoreDir| fs::remove_file(store_dir.file()).unwrap();
    let remove_dir = |store_dir: &StoreDir| fs::remove_dir_all(store_dir.dir()).unwrap();
    for remove in [&remove_file as &dyn Fn(&StoreDir), &remove_dir] {
        let store_dir = StoreDir::new();
        let store = store_dir.open().unwrap();
        store_dir.commit(&store, "quiet", records(3, 1)).unwrap();
        store_dir.commit(&store, "busy", records(2, 1)).unwrap();
        remove(&store_dir);
        store_dir.commit(&store, "busy", records(2, 2)).unwrap();
        let in_use = forget(store_dir.dir(), &name("busy"));
        assert!(in_use.is_err_and(|error| error.kind == DiskErrorKind::InUse), "locked again");
        assert_eq!(store_dir.load(&store, "quiet").unwrap(), records(3, 1));
        // Also without a commit after it.
        remove(&store_dir);
        store_dir.close(&store);
        let again = store_dir.open().unwrap();
        assert_eq!(store_dir.load(&again, "quiet").unwrap(), records(3, 1));
        assert_eq!(store_dir.load(&again, "busy").unwrap(), records(2, 2));
    }
}

#[test]
fn a_file_that_cannot_be_written_again_fails_the_commit_and_is_tried_again() {
    let store_dir = StoreDir::new();
    let store = store_dir.open().unwrap();
    store_dir.commit(&store, "a", records(3, 1)).unwrap();
    fs::remove_dir_all(store_dir.dir()).unwrap();
    fs::write(store_dir.dir(), "in the way").unwrap();
    let error = store_dir.commit(&store, "a", records(3, 2)).unwrap_err().to_string();
    assert!(error.contains("[state] dir"), "{error}");
    fs::remove_file(store_dir.dir()).unwrap();
    store_dir.commit(&store, "a", records(3, 3)).unwrap();
    store_dir.close(&store);
    assert_eq!(store_dir.load(&store_dir.open().unwrap(), "a").unwrap(), records(3, 3));
}

#[test]
fn a_backup_put_in_the_place_of_the_file_is_used() {
    let store_dir = StoreDir::new();
    let store = store_dir.open().unwrap();
    store_dir.commit(&store, "a", records(3, 1)).unwrap();
    store_dir.close(&store);
    let backup = store_dir.bytes();
    let store = store_dir.open().unwrap();
    store_dir.commit(&store, "a", records(3, 2)).unwrap();
    let new = store_dir.dir().join("backup");
    fs::write(&new, backup).unwrap();
    fs::rename(&new, store_dir.file()).unwrap();
    assert_eq!(store_dir.load(&store, "a").unwrap(), records(3, 1));
    store_dir.commit(&store, "a", records(3, 3)).unwrap();
    store_dir.close(&store);
    assert_eq!(store_dir.load(&store_dir.open().unwrap(), "a").unwrap(), records(3, 3));
}

#[test]
fn a_file_that_is_in_use_for_a_moment_is_waited_for() {
    let store_dir = StoreDir::new();
    let first = store_dir.open().unwrap();
    // The other process releases the lock when it closes the file.
    let closing = first.close();
    assert!(store_dir.open().is_ok());
    drop(closing);
}

#[test]
fn a_file_does_not_grow_with_its_commits() {
    let store_dir = StoreDir::new();
    let store = store_dir.open().unwrap();
    let commits = |from: i64| {
        for n in from..from + 500 {
            store_dir.commit(&store, &format!("bot-{}", n % 10), records(3, n)).unwrap();
        }
        store_dir.bytes().len()
    };
    let first = commits(0);
    let later: Vec<usize> = (1..8).map(|round| commits(round * 500)).collect();
    assert!(later.iter().all(|size| *size <= first), "{first} bytes, then {later:?}");
}
