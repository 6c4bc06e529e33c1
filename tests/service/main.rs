//! The program itself, as people and service managers run it, against the simulator.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod admin;
mod answering;
mod check;
mod command_line;
mod configuration;
mod demo;
mod documents;
mod kills;
mod logging;
mod program;
mod running;
mod service_manager;
mod sinks;
mod state;
mod storms;
