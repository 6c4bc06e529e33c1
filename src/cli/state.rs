//! `matterhost state`.

mod offline_store;
mod transfer;
mod transfer_file;

use std::{
    collections::BTreeSet,
    env,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use actix::System;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use matterhost_actors::{
    model::AccountName,
    store::{self, StoredAccount},
};
use serde_json::json;

use self::offline_store::{NOT_STORED, StoreLocation};
use super::{
    config::load,
    output::{print, print_config_error, print_error},
};
use crate::{
    config::{Bots, FileArg, StateConfig},
    host::Exit,
};

/// Show or remove the state that is stored between runs
#[derive(Debug, Subcommand)]
pub(super) enum StateCommand {
    /// List the accounts with stored state
    ///
    /// Changes nothing, and works while a matterhost is running from the same directory.
    #[command(after_help = "Example:\n  matterhost state list --json | jq .[].account")]
    List {
        #[command(flatten)]
        location: StateArgs,
        /// Print one JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Forget an account: at the next start it receives only posts made from then on
    ///
    /// No matterhost may be running from the same directory.
    #[command(after_help = "Example:\n  matterhost state forget helpdesk --config bots.toml")]
    Forget {
        /// The account's name
        #[arg(value_parser = AccountName::new)]
        account: AccountName,
        #[command(flatten)]
        location: StateArgs,
    },
    /// Write all state into a file, from which another store can import it
    ///
    /// The state is that of the cluster if the configuration has [cluster], else that of the state directory. No matterhost may
    /// be running from it. Only the owner of the file can read it.
    #[command(after_help = "Example, before a host becomes a member of a cluster:\n  \
                      matterhost state export state.jsonl --config alone.toml\n  \
                      matterhost state import state.jsonl --config member.toml")]
    Export {
        /// The file, which must not exist
        file: PathBuf,
        #[command(flatten)]
        location: StateArgs,
    },
    /// Merge the state of such a file into the store
    ///
    /// Posts that either has acknowledged are acknowledged then, and a second import changes nothing. Import before the first
    /// start: accounts that have run begin at the time of that start. No matterhost may be running from the store.
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        location: StateArgs,
    },
}

#[derive(Debug, Args)]
pub(super) struct StateArgs {
    #[command(flatten)]
    file: FileArg,
    /// The state directory, instead of the one that the configuration names
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(command: &StateCommand, bots: &Bots) -> Exit {
    run_command(command, bots).unwrap_or_else(|exit| exit)
}

fn run_command(command: &StateCommand, bots: &Bots) -> Result<Exit, Exit> {
    Ok(match command {
        StateCommand::List { location, json } => {
            let format = if *json { to_json } else { to_table };
            let listed = store::list(&location.directory(bots)?);
            listed.map_or_else(print_error, |accounts| print(format(&accounts).as_bytes()))
        }
        StateCommand::Forget { account, location } => {
            match store::forget(&location.directory(bots)?, account) {
                Ok(true) => print(format!("forgot account {account}\n").as_bytes()),
                Ok(false) => print_error(format_args!(
                    "no state is stored for account {account}; `matterhost state list` shows the stored accounts"
                )),
                Err(error) => print_error(error),
            }
        }
        StateCommand::Export { file, location } => {
            let (store, _) = location.store(bots)?;
            finish(System::new().block_on(transfer::export(store, file.clone())))
        }
        StateCommand::Import { file, location } => {
            let (store, known) = location.store(bots)?;
            finish(System::new().block_on(transfer::import(store, file.clone(), known)))
        }
    })
}

fn finish(result: anyhow::Result<String>) -> Exit {
    match result {
        Ok(summary) => print(summary.as_bytes()),
        Err(error) => print_error(format_args!("{error:#}")),
    }
}

impl StateArgs {
    /// Returns the directory of the flag, with the absolute path that the store needs.
    fn given_directory(&self) -> Option<PathBuf> {
        let dir = self.dir.as_ref()?;
        Some(env::current_dir().map_or_else(|_| dir.clone(), |current| current.join(dir)))
    }

    /// Returns the store of the flag, or else that of the configuration with its accounts.
    fn store(&self, bots: &Bots) -> Result<(StoreLocation, Option<BTreeSet<AccountName>>), Exit> {
        if let Some(dir) = self.given_directory() {
            return Ok((StoreLocation::Disk(dir), None));
        }
        let config = load(&self.file, bots).map_err(|error| print_config_error(&error))?;
        let location = StoreLocation::of(&config).map_err(print_error)?;
        Ok((location, Some(config.accounts.into_iter().map(|account| account.name).collect())))
    }

    /// Returns the directory of the flag, or else of the configuration.
    fn directory(&self, bots: &Bots) -> Result<PathBuf, Exit> {
        if let Some(dir) = self.given_directory() {
            return Ok(dir);
        }
        match load(&self.file, bots).map_err(|error| print_config_error(&error))?.state {
            StateConfig::Disk { dir, .. } => Ok(dir),
            StateConfig::Memory => Err(print_error(NOT_STORED)),
        }
    }
}

fn to_table(accounts: &[StoredAccount]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["account", "user id", "channels", "last listing"]);
    for stored in accounts {
        let user = match &stored.unreadable {
            Some(_) => "unreadable",
            None => stored.user.as_ref().map_or("–", |user| user.as_str()),
        };
        let listed = stored.listed_at.and_then(format_time).unwrap_or_else(|| "–".into());
        table.add_row([&stored.account, user, &stored.channels.to_string(), &listed]);
    }
    let problems: String = accounts.iter().filter_map(describe_problem).collect();
    format!("{table}\n{problems}")
}

fn describe_problem(stored: &StoredAccount) -> Option<String> {
    let (account, problem) = (&stored.account, stored.unreadable.as_ref()?);
    Some(format!("{problem}; `matterhost state forget {account}` lets the account start from now\n"))
}

fn to_json(accounts: &[StoredAccount]) -> String {
    let row = |stored: &StoredAccount| {
        json!({
            "account": stored.account,
            "user": stored.user,
            "channels": stored.channels,
            "listed_at": stored.listed_at.and_then(format_time),
            "unreadable": stored.unreadable,
        })
    };
    format!("{:#}\n", accounts.iter().map(row).collect::<serde_json::Value>())
}

/// Formats server milliseconds as RFC 3339; `None` for a time that the format cannot express.
fn format_time(millis: i64) -> Option<String> {
    /// 9999-12-31T23:59:59Z in milliseconds: the last second whose year has four digits.
    const LAST: u64 = 253_402_300_799_000;
    let millis = u64::try_from(millis).ok().filter(|millis| *millis <= LAST)?;
    Some(humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(millis)).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored_accounts() -> [StoredAccount; 2] {
        let known = StoredAccount {
            account: "helpdesk".into(),
            user: Some("u1".into()),
            channels: 3,
            listed_at: Some(1_700_000_000_123),
            unreadable: None,
        };
        let new = StoredAccount {
            account: "new".into(),
            user: None,
            channels: 0,
            listed_at: Some(i64::MAX),
            unreadable: Some("the row of account new cannot be read: it is empty".into()),
        };
        [known, new]
    }

    #[test]
    fn a_row_has_account_user_channels_and_time() {
        let table = to_table(&stored_accounts());
        let advice = "it is empty; `matterhost state forget new` lets";
        for word in ["helpdesk", "u1", "3", "2023-11-14T22:13:20Z", "new", "unreadable", "–", advice] {
            assert!(table.contains(word), "{word} is missing in\n{table}");
        }
    }

    #[test]
    fn json_has_the_same_values() {
        let rows: serde_json::Value = serde_json::from_str(&to_json(&stored_accounts())).unwrap();
        let known = json!({
            "account": "helpdesk", "user": "u1", "channels": 3, "listed_at": "2023-11-14T22:13:20Z",
            "unreadable": null,
        });
        assert_eq!(rows[0], known);
        assert!(rows[1]["user"].is_null() && rows[1]["listed_at"].is_null());
        assert_eq!(to_json(&[]), "[]\n");
    }
}
