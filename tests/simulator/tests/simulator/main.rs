//! The simulator over real sockets: against the recordings, and against the facts they do not replay.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod client;
mod faults;
mod files;
mod fixture;
mod lists;
mod recordings;
mod sockets;
