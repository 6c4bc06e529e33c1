//! The commands that ask a running host.

use clap::{Args, Subcommand};
use matterhost_actors::model::{AccountName, AccountState};

use crate::admin::client::AdminArgs;

/// What `status` takes.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Everything that is known of one account, instead of a table of all
    #[arg(value_name = "NAME", value_parser = AccountName::new)]
    pub account: Option<AccountName>,
    /// Which host.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Show it again and again, until Ctrl-C
    #[arg(long, short)]
    pub watch: bool,
    /// Print JSON instead of a table; with --watch a line each time
    #[arg(long)]
    pub json: bool,
    /// Only accounts in one of these states, with commas between
    #[arg(long, value_name = "STATES", value_parser = states, conflicts_with = "account")]
    pub state: Option<String>,
    /// Only accounts on this server
    #[arg(long, value_name = "NAME", conflicts_with = "account")]
    pub server: Option<String>,
}

/// What `restart`, `stop`, `start`, `reset` and `audit` take.
#[derive(Debug, Args)]
pub struct ActionArgs {
    /// The accounts
    #[arg(value_name = "NAME", value_parser = AccountName::new, required = true)]
    pub accounts: Vec<AccountName>,
    /// Which host.
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// What `tail` takes.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// Only what happens to these accounts
    #[arg(value_name = "NAME", value_parser = AccountName::new)]
    pub accounts: Vec<AccountName>,
    /// Which host.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Only what happens to these servers themselves, with commas between
    #[arg(long, value_name = "NAMES")]
    pub server: Option<String>,
    /// Only these facts, such as closed,ready
    #[arg(long, value_name = "FACTS")]
    pub fact: Option<String>,
    /// Nothing that matters less: error, warn, info or debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub level: String,
    /// Print each as a line of JSON
    #[arg(long)]
    pub json: bool,
}

/// What is logged.
#[derive(Debug, Subcommand)]
pub enum LogsCommand {
    /// Show what a running host logs, or change it until the next reload or start
    #[command(after_help = "Example:\n  matterhost logs level matterhost=debug,info")]
    Level {
        /// A level, or modules with levels like matterhost=debug,info; without it what is logged is shown
        level: Option<String>,
        /// Which host.
        #[command(flatten)]
        admin: AdminArgs,
    },
}

/// What `reload` takes.
#[derive(Debug, Args)]
pub struct ReloadArgs {
    /// Which host.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What `health` takes.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Which host.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Ask whether enough accounts are ready (admin.ready), instead of whether the host lives
    #[arg(long)]
    pub ready: bool,
}

/// States that there are, with commas between: others would match nothing, and nobody would know.
fn states(text: &str) -> Result<String, String> {
    let there_are = AccountState::ALL.map(AccountState::label);
    match text.split(',').find(|state| !there_are.contains(state)) {
        None => Ok(text.to_owned()),
        Some(state) => Err(format!("there is no state {state:?}; there are {}", there_are.join(", "))),
    }
}
