//! The commands about what is kept between runs.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use matterhost_actors::model::AccountName;

use crate::config::FileArg;

/// What is kept between runs.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// List the accounts of which something is kept
    ///
    /// Changes nothing, and needs that no matterhost is running from the same directory.
    #[command(after_help = "Example:\n  matterhost state list --json | jq .[].account")]
    List {
        /// Where it is kept.
        #[command(flatten)]
        place: StateArgs,
        /// Print one JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Forget an account: at the next start it begins anew, at now
    ///
    /// Needs that no matterhost is running from the same directory.
    #[command(after_help = "Example:\n  matterhost state forget helpdesk --config bots.toml")]
    Forget {
        /// The account's name
        #[arg(value_parser = AccountName::new)]
        account: AccountName,
        /// Where it is kept.
        #[command(flatten)]
        place: StateArgs,
    },
}

/// Where what is kept between runs is found.
#[derive(Debug, Args)]
pub struct StateArgs {
    /// The configuration.
    #[command(flatten)]
    pub file: FileArg,
    /// The directory, instead of the one that the configuration names
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
