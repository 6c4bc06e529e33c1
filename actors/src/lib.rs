#![doc = include_str!("../README.md")]

pub mod actors;
pub mod mattermost;
pub mod model;
pub mod policy;
pub mod ports;
