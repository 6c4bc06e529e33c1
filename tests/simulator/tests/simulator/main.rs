//! The simulator over real sockets: against the recordings, and against the facts they do not replay.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod client;
mod faults;
mod files;
mod fixture;
mod integrations;
mod lists;
mod odd_rows;
mod proxies;
mod recordings;
mod sockets;
mod versions;
