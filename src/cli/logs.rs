//! `matterhost logs`.

use clap::Subcommand;

use super::output::{call_host, print};
use crate::{
    admin::client::{self, AdminArgs},
    host::Exit,
};

/// Show or change the log level of a running host
#[derive(Debug, Subcommand)]
pub(super) enum LogsCommand {
    /// Show the log level of a running host, or change it until the next reload or start
    #[command(after_help = "Example:\n  matterhost logs level matterhost=debug,info")]
    Level {
        /// The new level, or levels by module such as matterhost=debug,info; if omitted, the current one is shown
        level: Option<String>,
        #[command(flatten)]
        admin: AdminArgs,
    },
}

pub(super) fn run(command: LogsCommand) -> Exit {
    let LogsCommand::Level { level, admin } = command;
    call_host(&admin, async |client| Ok(print(client::log_level(&client, level).await?.as_bytes())))
}
