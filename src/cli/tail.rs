//! `matterhost tail`.

use clap::Args;
use matterhost_actors::model::AccountName;

use super::output::call_host;
use crate::{
    admin::client::{self, AdminArgs, TailOptions},
    host::Exit,
};

#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// Show only what happens to these accounts
    #[arg(value_name = "NAME", value_parser = AccountName::new)]
    accounts: Vec<AccountName>,
    #[command(flatten)]
    admin: AdminArgs,
    /// Show only what happens to these servers themselves, separated by commas
    #[arg(long, value_name = "NAMES")]
    server: Option<String>,
    /// Show only these facts, such as closed,ready
    #[arg(long, value_name = "FACTS")]
    fact: Option<String>,
    /// Lowest level to show: error, warn, info or debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    level: String,
    /// Print each fact as a line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: TailArgs) -> Exit {
    let TailArgs { accounts, admin, server, fact, level, json } = args;
    let options = TailOptions { accounts, server, fact, level, json };
    call_host(&admin, async |client| client::tail(&client, &options).await.map(|()| Exit::Success))
}
