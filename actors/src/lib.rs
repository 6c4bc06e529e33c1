#![doc = include_str!("../README.md")]

pub mod bots;
pub mod hosting;
pub mod mattermost;
pub mod model;
pub mod policy;
pub mod ports;
#[cfg(feature = "disk-state")]
pub mod store;
pub mod testing;
