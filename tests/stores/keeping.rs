//! It keeps the promises of its port.

#[path = "../../actors/tests/contracts/cursor_store.rs"]
mod contract;

use std::sync::Arc;

use matterhost::stores::{DiskSettings, DiskStore};

#[test]
fn the_store_on_disk_is_a_cursor_store() {
    for fsync in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let open = || DiskStore::open(dir.path(), DiskSettings { fsync }).unwrap();
        actix::System::new().block_on(contract::holds(open(), async |store: Arc<DiskStore>| {
            store.close().await.unwrap();
            drop(store);
            open()
        }));
    }
}

#[test]
fn a_store_that_is_dropped_instead_of_closed_is_found_whole() {
    let dir = tempfile::tempdir().unwrap();
    let open = || DiskStore::open(dir.path(), DiskSettings::default()).unwrap();
    actix::System::new().block_on(contract::holds(open(), async |store: Arc<DiskStore>| {
        drop(store);
        open()
    }));
}
