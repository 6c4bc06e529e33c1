//! `matterhost reload`, and its preview for `matterhost check --diff`.

use clap::Args;

use super::output::{call_host, call_host_for_json, print};
use crate::{
    admin::client::{self, AdminArgs, Client, RemoteError},
    config::ConfigDiff,
    host::Exit,
};

#[derive(Debug, Args)]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ReloadArgs) -> Exit {
    call(&args.admin, args.json, async |client| Ok(print_diff(&client::reload(&client).await?, args.json)))
}

/// Shows what a reload would change.
pub(super) fn preview(admin: &AdminArgs, json: bool) -> Exit {
    call(admin, json, async |client| Ok(print_diff(&client::preview_reload(&client).await?, json)))
}

fn call(
    admin: &AdminArgs,
    json: bool,
    request: impl AsyncFnOnce(Client) -> Result<Exit, RemoteError>,
) -> Exit {
    if json { call_host_for_json(admin, request) } else { call_host(admin, request) }
}

fn print_diff(diff: &ConfigDiff, json: bool) -> Exit {
    // Serializing names and keys cannot fail.
    let json = json.then(|| serde_json::to_string_pretty(diff).unwrap_or_default());
    print(format!("{}\n", json.unwrap_or_else(|| diff.to_string())).as_bytes())
}
