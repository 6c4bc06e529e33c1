//! The actors, by messages: paused time, no sockets, a fake server that the contract suite holds to the promises
//! of a real one.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod auditing;
mod bots;
mod catching_up;
mod changing;
mod channels;
mod contract;
mod costs;
mod delivering;
mod endings;
mod examples;
mod faults;
mod gate;
mod keeping;
mod lifecycle;
mod looking;
mod lossless;
mod members;
mod races;
mod replying;
mod scene;
mod sockets;
mod stage;
mod stores;
mod witnesses;
