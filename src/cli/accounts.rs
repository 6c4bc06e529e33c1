//! `matterhost restart`, `stop`, `start`, `reset` and `audit`.

use clap::Args;
use matterhost_actors::model::AccountName;

use super::output::{call_host, print};
use crate::{
    admin::{
        client::{self, AdminArgs},
        dto::Action,
    },
    host::Exit,
};

#[derive(Debug, Args)]
pub(super) struct ActionArgs {
    /// The accounts
    #[arg(value_name = "NAME", value_parser = AccountName::new, required = true)]
    accounts: Vec<AccountName>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Applies the action to each account, and fails if it was refused for one of them.
pub(super) fn run(action: Action, args: &ActionArgs) -> Exit {
    call_host(&args.admin, async |client| {
        let (report, failure) = client::apply_action(&client, action, &args.accounts).await;
        let exit = print(report.as_bytes());
        failure.map_or(Ok(exit), Err)
    })
}
