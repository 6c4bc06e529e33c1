//! Members of one process.

use std::{sync::Arc, time::Duration};

use matterhost::cluster::MemoryMembership;

use crate::{contract, sharing};

#[tokio::test(start_paused = true)]
async fn the_store_in_memory_fulfils_the_contract() {
    let ttl = Duration::from_secs(10);
    contract::check_contract(Arc::new(MemoryMembership::new(ttl)), ttl).await;
}

#[tokio::test]
async fn members_of_one_process_share_the_shards() {
    let ttl = Duration::from_secs(2);
    sharing::check_members(Arc::new(MemoryMembership::new(ttl)), ttl).await;
}
