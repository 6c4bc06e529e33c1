//! `matterhost check`: tests every server, every token and every sink, and suggests a remedy for each failure.

mod permissions;
mod probe;
mod remedy;
mod report;
mod sinks;
mod store;
mod table;

use std::io;

use actix::System;
use clap::Args;

use self::report::config_error_json;
use super::{
    config::load,
    output::{print, print_config_error},
    reload,
};
use crate::{admin::client::AdminArgs, config::Bots, host::Exit, telemetry::color};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Show only what fails
    #[arg(long, conflicts_with = "diff")]
    failed: bool,
    /// Test nothing; ask the running host what a reload of its configuration would change
    #[arg(long)]
    diff: bool,
}

pub(super) fn run(args: &CheckArgs, bots: &Bots) -> Exit {
    if args.diff {
        return reload::preview(&args.admin, args.json);
    }
    let config = match load(&args.admin.file, bots) {
        Ok(config) => config,
        Err(error) if args.json => {
            print(config_error_json(&error).as_bytes());
            return Exit::Config;
        }
        Err(error) => return print_config_error(&error),
    };
    let report = System::new().block_on(probe::run_checks(&config));
    let report = if args.failed { report.only_failed() } else { report };
    let text = if args.json { report.json() } else { report.table(color::is_enabled(&io::stdout())) };
    match print(text.as_bytes()) {
        Exit::Success if !report.ok => Exit::Failed,
        exit => exit,
    }
}
