//! The actors of matterhost.

pub mod mattermost;
pub mod model;
