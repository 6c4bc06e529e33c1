//! The stores of a cluster, their implementations, and members as processes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg_attr(
    feature = "cluster",
    expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")
)]
#![cfg_attr(feature = "cluster", expect(clippy::print_stdout, reason = "a failed test prints its seed"))]

mod action_contract;
#[cfg(feature = "cluster")]
mod action_stream;
#[cfg(feature = "cluster")]
mod actions;
#[cfg(feature = "cluster")]
mod backup;
#[cfg(feature = "cluster")]
mod connected_accounts;
mod contract;
#[cfg(feature = "cluster")]
mod cursors;
#[cfg(feature = "cluster")]
mod cutting_proxy;
#[cfg(feature = "cluster")]
mod handler;
#[cfg(feature = "cluster")]
mod harness;
#[cfg(feature = "cluster")]
mod hooks;
#[cfg(feature = "cluster")]
mod many_accounts;
mod members;
mod messages;
#[cfg(feature = "cluster")]
mod nats;
#[cfg(feature = "cluster")]
mod nats_server;
#[cfg(feature = "cluster")]
mod nats_sink;
#[cfg(feature = "cluster")]
mod one_view;
#[cfg(feature = "cluster")]
mod processes;
#[cfg(feature = "cluster")]
#[path = "../service/program.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod program;
#[cfg(feature = "cluster")]
mod random_faults;
#[cfg(feature = "cluster")]
#[path = "../service/refused_actions.rs"]
mod refused_actions;
#[cfg(feature = "cluster")]
#[path = "../service/seeds.rs"]
mod seeds;
mod sharing;
#[cfg(feature = "cluster")]
mod state_transfer;
#[cfg(feature = "cluster")]
mod three_servers;
#[cfg(feature = "cluster")]
mod witnesses;
