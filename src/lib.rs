#![doc = include_str!("../README.md")]

pub mod admin;
pub mod cli;
pub mod config;
pub mod host;
pub mod sinks;
pub mod store;
pub mod telemetry;
