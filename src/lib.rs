//! matterhost hosts Mattermost bot accounts: no bot goes deaf, and one broken account never touches another.

pub mod cloud_event;
pub mod config;
pub mod sinks;
