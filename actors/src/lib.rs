#![doc = include_str!("../README.md")]

pub mod bots;
pub mod hosting;
pub mod mattermost;
pub mod model;
pub mod policy;
pub mod ports;
pub mod testing;
