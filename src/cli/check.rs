//! `matterhost check`: asks every server and every token whether they work, and says what to do where not.

mod ask;
mod remedy;
mod report;
mod state;
mod table;

use actix::System;

use crate::config::{Config, ConfigError};

pub use report::{AccountRow, CheckReport, CheckResult, ServerRow, StateRow, config_error_json};

/// Asks all servers and tokens.
pub fn run(config: &Config) -> CheckReport {
    System::new().block_on(ask::run_checks(config))
}
