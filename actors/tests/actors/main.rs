//! The actors, by messages: paused time, no sockets, a fake server that the contract suite holds to the promises
//! of a real one.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod bots;
mod catch_up;
mod channels;
mod contract;
mod delivery;
mod endings;
mod examples;
mod faults;
mod field;
mod final_state;
mod first_start;
mod gate;
mod harness;
mod hearing_again;
mod lifecycle;
mod lossless;
mod membership;
mod memory_store;
mod odd_texts;
mod other_hosts;
mod own_account;
mod persistence;
mod proxies;
mod races;
mod reconfigure;
mod replies;
mod request_costs;
mod server_trouble;
mod simulator_harness;
mod snapshots;
mod sockets;
mod surroundings;
mod witnesses;
