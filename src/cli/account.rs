//! `matterhost account add` and `remove`: accounts whose tokens exist.

use std::path::PathBuf;

use actix::System;
use clap::{Args, Subcommand};
use matterhost_actors::{
    mattermost::{Client, Me},
    model::{AccountName, printable},
};

use super::{
    account_files::AccountFiles,
    config::load,
    output::{print, print_config_error, print_error},
    provisioning::{read_token, select_server},
};
use crate::{
    config::{AccountSource, Bots, Config, FileArg, did_you_mean},
    host::Exit,
};

/// Add or remove the files of an account in the configuration's directories
#[derive(Debug, Subcommand)]
pub(super) enum AccountCommand {
    /// Add an account for a token that exists
    ///
    /// Tests the token, and writes it into a file that only its owner can read, in the configuration's directory of
    /// tokens or of included files. A running host notices it.
    #[command(after_help = "Example:\n  matterhost account add helpdesk --bot-token-file helpdesk.txt")]
    Add(AddArgs),
    /// Remove an account's files; a running host stops it
    ///
    /// The bot and its token stay as they are on the server.
    #[command(after_help = "Example:\n  matterhost account remove helpdesk")]
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// The account's name
    #[arg(value_name = "NAME", value_parser = AccountName::new)]
    name: AccountName,
    /// Server, by its name in the configuration; optional if there is only one
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// File with the bot's token; without it the token is asked for
    #[arg(long, value_name = "FILE")]
    bot_token_file: Option<PathBuf>,
    #[command(flatten)]
    file: FileArg,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// The account's name
    #[arg(value_name = "NAME", value_parser = AccountName::new)]
    name: AccountName,
    #[command(flatten)]
    file: FileArg,
}

pub(super) fn run(command: &AccountCommand, bots: &Bots) -> Exit {
    let (AccountCommand::Add(AddArgs { file, .. }) | AccountCommand::Remove(RemoveArgs { file, .. })) =
        command;
    let config = match load(file, bots) {
        Ok(config) => config,
        Err(error) => return print_config_error(&error),
    };
    let done = match command {
        AccountCommand::Add(args) => add(args, &config),
        AccountCommand::Remove(args) => remove(&args.name, &config),
    };
    done.map_or_else(print_error, |done| print(format!("{done}\n").as_bytes()))
}

fn add(args: &AddArgs, config: &Config) -> Result<String, String> {
    let AddArgs { name, server, bot_token_file, .. } = args;
    let files = AccountFiles::of(config).map_err(|error| error.to_string())?;
    if config.accounts.iter().any(|account| account.name == *name) {
        return Err(format!("account {name} exists; remove it first, or `matterhost bots rotate {name}`"));
    }
    let server = select_server(config, server.as_deref())?;
    let token = read_token(bot_token_file.as_ref(), "--bot-token-file", &format!("Token of {name}: "))?;
    if let Some(other) = config.accounts.iter().find(|account| account.token.same_as(&token)) {
        return Err(format!("account {} has this token; give each bot its own", other.name));
    }
    let me = System::new().block_on(async { Client::new(&server.client).me(&token, None).await });
    let user =
        match me.map_err(|error| format!("{}: {error}; nothing was changed", server.client.url()))?.value {
            Me::User { user, .. } => user,
            Me::Unmodified => return Err("the server does not say whose the token is".into()),
        };
    files.write(name, &server.name, &token).map_err(|error| error.to_string())?;
    let file = files.token_file(name);
    Ok(format!("{name}: added as @{}; token in {}", printable(&user.username), file.display()))
}

fn remove(name: &AccountName, config: &Config) -> Result<String, String> {
    let Some(account) = config.accounts.iter().find(|account| account.name == *name) else {
        let names = config.accounts.iter().map(|account| account.name.as_str());
        let meant = did_you_mean(name.as_str(), names).map(|meant| format!("; did you mean {meant}?"));
        return Err(format!("there is no account {name}{}", meant.unwrap_or_default()));
    };
    if account.source == AccountSource::Api {
        return Err(format!("account {name} was put by the admin API; send DELETE /v1/accounts/{name}"));
    }
    let files = AccountFiles::of(config).map_err(|error| error.to_string())?;
    let removed = files.remove(name, account.token_file.as_deref()).map_err(|error| error.to_string())?;
    if removed.is_empty() {
        return Err(format!(
            "account {name} is not in a directory of the configuration; remove [accounts.{name}] by hand"
        ));
    }
    let removed: Vec<_> = removed.iter().map(|path| path.display().to_string()).collect();
    Ok(format!("{name}: removed {}; the bot's token still exists on the server", removed.join(" and ")))
}
