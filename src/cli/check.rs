//! `matterhost check`: asks every server and every token whether they work, and says what to do where not.

mod ask;
mod remedy;
mod report;
mod state;
mod table;

use actix::System;

use crate::config::{Config, ConfigError};

pub use report::{AccountRow, Finding, Report, ServerRow, StateRow, refused};

/// Asks all servers and tokens.
pub fn run(config: &Config) -> Report {
    System::new().block_on(ask::all(config))
}
