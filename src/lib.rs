#![doc = include_str!("../README.md")]

pub mod actions;
pub mod admin;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod hooks;
pub mod host;
pub mod nats;
pub mod program;
pub mod sinks;
pub mod telemetry;

pub use program::Program;

#[cfg(test)]
#[path = "../tests/fuzz/mutated.rs"]
mod mutated;
#[cfg(test)]
#[cfg(feature = "cluster")]
#[path = "../tests/cluster/nats_server.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod nats_server;
#[cfg(test)]
#[path = "../tests/fuzz/seeds.rs"]
mod seeds;
