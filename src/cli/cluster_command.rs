//! `matterhost cluster`.

use clap::{Args, Subcommand};

use super::output::{call_host, call_host_for_json, print};
use crate::{
    admin::client::{self, AdminArgs},
    host::Exit,
};

/// Show the cluster of a running host, give the accounts of a member away, or share all evenly
#[derive(Debug, Subcommand)]
pub(super) enum ClusterCommand {
    /// Show the members, and how many accounts each hosts
    #[command(after_help = "Examples:\n  matterhost cluster status\n  \
                      matterhost cluster status --json | jq -r '.accounts[] | select(.name == \"helpdesk\").member'")]
    Status(ClusterStatusArgs),
    /// Give the accounts of the member that answers to the others; it stays in the cluster
    ///
    /// A member that ends gives its accounts away by itself.
    #[command(after_help = "Example:\n  matterhost cluster drain && matterhost cluster status")]
    Drain(DrainArgs),
    /// Share the accounts evenly among the members that are not draining
    ///
    /// Members that come and go leave shares that differ by a fourth or so. The accounts move a few at a time, and stay where
    /// they are put.
    Rebalance(RebalanceArgs),
}

#[derive(Debug, Args)]
pub(super) struct ClusterStatusArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// Print JSON, with the member of each account
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DrainArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// Take accounts again
    #[arg(long)]
    undo: bool,
}

#[derive(Debug, Args)]
pub(super) struct RebalanceArgs {
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(command: ClusterCommand) -> Exit {
    match command {
        ClusterCommand::Status(ClusterStatusArgs { admin, json: true }) => {
            call_host_for_json(&admin, async |client| {
                Ok(print(client::cluster(&client, true).await?.as_bytes()))
            })
        }
        ClusterCommand::Status(ClusterStatusArgs { admin, json: false }) => {
            call_host(&admin, async |client| Ok(print(client::cluster(&client, false).await?.as_bytes())))
        }
        ClusterCommand::Drain(DrainArgs { admin, undo }) => {
            call_host(&admin, async |client| Ok(print(client::drain(&client, !undo).await?.as_bytes())))
        }
        ClusterCommand::Rebalance(RebalanceArgs { admin }) => {
            call_host(&admin, async |client| Ok(print(client::rebalance(&client).await?.as_bytes())))
        }
    }
}
