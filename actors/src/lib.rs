//! The actors of matterhost.

pub mod model;
pub mod policy;
