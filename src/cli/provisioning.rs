//! `matterhost bots`: makes and manages bot accounts with an administrator's token.

mod administrator;
mod bot_list;
mod create;
mod token_rotation;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use matterhost_actors::model::AccountName;

use self::administrator::{AdministratorArgs, each_bot};
pub(super) use self::administrator::{read_token, select_server};
use crate::{
    admin::client::AdminArgs,
    config::{Bots, FileArg},
    host::Exit,
};

/// Create and manage bot accounts with an administrator's token, which is not kept
#[derive(Debug, Subcommand)]
pub(super) enum BotsCommand {
    /// Create bots: accounts, tokens, memberships and configuration
    ///
    /// Each token goes into a file that only its owner can read, in the configuration's directory of tokens or of
    /// included files, where a running host notices it. What is there already stays, so a command that failed can be
    /// repeated.
    #[command(
        after_help = "Example:\n  matterhost bots create helpdesk standup --team crew --channel town-square"
    )]
    Create(CreateArgs),
    /// List the bots of a server
    #[command(after_help = "Example:\n  matterhost bots list --server main --json | jq -r .[].username")]
    List(ListArgs),
    /// Give bots new tokens: create one, let the running host use it, and revoke the old one
    #[command(after_help = "Example:\n  matterhost bots rotate helpdesk")]
    Rotate(RotateArgs),
    /// Disable bots on their server
    ///
    /// Their accounts stay in the configuration, and are `blocked` until the bots are enabled.
    #[command(
        after_help = "Example:\n  matterhost bots disable helpdesk && matterhost account remove helpdesk"
    )]
    Disable(DisableArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// The bots' names: both the account's and the one after the @
    #[arg(value_name = "NAME", value_parser = AccountName::new, required = true)]
    names: Vec<AccountName>,
    /// Team that the bots join, by its name in addresses
    #[arg(long, value_name = "TEAM")]
    team: Option<String>,
    /// Channels of the team that the bots join, separated by commas
    #[arg(long, value_name = "CHANNELS", value_delimiter = ',', requires = "team")]
    channel: Vec<String>,
    /// Name that people see
    #[arg(long, value_name = "TEXT", default_value = "")]
    display: String,
    /// Picture, as a PNG or JPEG file
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    #[command(flatten)]
    administrator: AdministratorArgs,
    #[command(flatten)]
    file: FileArg,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Print one JSON array instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    administrator: AdministratorArgs,
    #[command(flatten)]
    file: FileArg,
}

#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    /// The accounts
    #[arg(value_name = "NAME", value_parser = AccountName::new, required = true)]
    names: Vec<AccountName>,
    /// Revoke all other tokens of the bots, not only those that this program created
    #[arg(long)]
    revoke_all: bool,
    #[command(flatten)]
    administrator: AdministratorArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Debug, Args)]
pub(super) struct DisableArgs {
    /// The bots' names after the @
    #[arg(value_name = "NAME", value_parser = AccountName::new, required = true)]
    names: Vec<AccountName>,
    #[command(flatten)]
    administrator: AdministratorArgs,
    #[command(flatten)]
    file: FileArg,
}

pub(super) fn run(command: BotsCommand, bots: &Bots) -> Exit {
    match command {
        BotsCommand::Create(args) => create::run(&args, bots),
        BotsCommand::List(args) => bot_list::run(&args, bots),
        BotsCommand::Rotate(args) => token_rotation::run(&args, bots),
        BotsCommand::Disable(args) => disable(&args, bots),
    }
}

fn disable(args: &DisableArgs, bots: &Bots) -> Exit {
    args.administrator.run(&args.file, bots, async |_, administrator| {
        each_bot(&args.names, async |name| {
            let bot = administrator.bot(name.as_str()).await?;
            if bot.delete_at != 0 {
                return Ok("was disabled already".to_owned());
            }
            let (client, token) = administrator.client();
            client.set_bot_enabled(token, &bot.user_id, false).await?;
            Ok("disabled".to_owned())
        })
        .await
    })
}
