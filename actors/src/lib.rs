//! The actors of matterhost.

pub mod actors;
pub mod mattermost;
pub mod model;
pub mod policy;
pub mod ports;
