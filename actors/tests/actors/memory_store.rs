//! The store in memory keeps the promises of its port.

#[path = "../contracts/cursor_store.rs"]
mod contract;

use std::sync::Arc;

use matterhost_actors::ports::MemoryStore;

use crate::simulator_harness::run;

#[test]
fn the_store_in_memory_is_a_cursor_store() {
    run(async || {
        contract::check_contract(MemoryStore::default(), async |store| Arc::unwrap_or_clone(store)).await;
    });
}
