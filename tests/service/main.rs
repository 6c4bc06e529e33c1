//! The program itself, as people and service managers run it, against the simulator.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod admin;
mod answering;
mod check;
mod command_line;
mod configuration;
mod demo;
mod deploying;
mod documents;
mod kills;
mod logging;
mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
mod program;
mod promtool;
mod reload;
mod remote;
mod running;
mod secrets;
mod service_manager;
mod sinks;
mod state;
mod storms;
mod watching;
