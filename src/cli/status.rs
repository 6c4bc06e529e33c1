//! `matterhost status`. The table itself is made by `admin::client`.

use clap::Args;
use matterhost_actors::model::{AccountName, AccountState};

use super::output::{call_host, print};
use crate::{
    admin::{
        client::{self, AdminArgs, StatusQuery},
        dto::UNKNOWN_STATE,
    },
    host::Exit,
};

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Show every detail of this account instead of a table of all accounts
    #[arg(value_name = "NAME", value_parser = AccountName::new)]
    account: Option<AccountName>,
    #[command(flatten)]
    admin: AdminArgs,
    /// Refresh the output every second, until Ctrl-C
    #[arg(long, short)]
    watch: bool,
    /// Print JSON instead of a table; with --watch, one line per refresh
    #[arg(long)]
    json: bool,
    /// Show only accounts in these states, separated by commas
    #[arg(long, value_name = "STATES", value_parser = parse_states, conflicts_with = "account")]
    state: Option<String>,
    /// Show only accounts on this server
    #[arg(long, value_name = "NAME", conflicts_with = "account")]
    server: Option<String>,
}

pub(super) fn run(args: StatusArgs) -> Exit {
    let StatusArgs { account, admin, watch, json, state, server } = args;
    let query = StatusQuery { account, state, server, json };
    call_host(&admin, async |client| {
        if watch {
            return client::watch(&client, &query).await.map(|()| Exit::Success);
        }
        Ok(print(client::status(&client, &query).await?.as_bytes()))
    })
}

/// Checks a list of states; an unknown state would silently match no account.
fn parse_states(text: &str) -> Result<String, String> {
    let known: Vec<_> =
        AccountState::ALL.into_iter().map(AccountState::label).chain([UNKNOWN_STATE]).collect();
    match text.split(',').find(|state| !known.contains(state)) {
        None => Ok(text.to_owned()),
        Some(state) => Err(format!("unknown state {state:?}; the states are {}", known.join(", "))),
    }
}
