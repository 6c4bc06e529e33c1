//! `matterhost health`.

use clap::Args;

use super::output::{call_host, print};
use crate::{
    admin::client::{self, AdminArgs},
    host::Exit,
};

#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// Ask whether enough accounts are ready (admin.ready) instead of whether the host is alive
    #[arg(long)]
    ready: bool,
}

pub(super) fn run(args: &HealthArgs) -> Exit {
    call_host(&args.admin, async |client| Ok(print(client::health(&client, args.ready).await?.as_bytes())))
}
