//! The port to the store of a cluster, and its implementations.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg_attr(feature = "cluster", expect(clippy::expect_used, reason = "a test that cannot go on fails"))]

mod contract;
mod members;
#[cfg(feature = "cluster")]
mod nats;
#[cfg(feature = "cluster")]
mod nats_server;
mod sharing;
