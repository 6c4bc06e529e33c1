//! Accounts of directories of tokens: each file `NAME.token` is an account.

use std::collections::{BTreeMap, BTreeSet};

use config::{Map, Value, ValueKind};
use matterhost_actors::model::{AccountName, Token};

use super::{AccountConfig, TOKEN, TokenOrigin};
use crate::config::{
    Config,
    key_reader::Diagnostics,
    problem::Problem,
    read::Tree,
    sources::{Layout, Location, Locations, TOKEN_DIR, TokenFile},
};

/// The accounts whose tokens are in directories of tokens.
#[derive(Debug, Default)]
pub(in crate::config) struct FoundAccounts {
    names: BTreeSet<String>,
    /// The tokens of the running accounts.
    running: BTreeMap<String, Token>,
    may_be_none: bool,
}

impl FoundAccounts {
    /// Adds an account for each file, unless `[accounts.NAME]` sets a token itself.
    pub(in crate::config) fn add(
        files: Vec<TokenFile>,
        tree: &mut Tree,
        layout: &Layout,
        running: Option<&Config>,
        places: &mut Locations,
        report: &mut Diagnostics,
    ) -> Self {
        let mut found = Self { may_be_none: !layout.directories.is_empty(), ..Self::default() };
        if files.is_empty() {
            return found;
        }
        // Another value than a table is reported by the reader of the section.
        let Some(accounts) = tree.table("accounts") else { return found };
        for file in files {
            match add_one(&file, accounts, places) {
                Ok(()) => {
                    found.names.insert(file.account);
                }
                Err(problem) => report.left_out.push(problem),
            }
        }
        let running = running.into_iter().flat_map(|config| &config.accounts);
        let running = running.filter(|account| found.names.contains(account.name.as_str()));
        found.running = running.map(|account| (account.name.to_string(), account.token.clone())).collect();
        found
    }

    /// Returns true if there may be no account, because they can be added while the host runs.
    pub(in crate::config) fn may_be_none(&self) -> bool {
        self.may_be_none
    }

    /// Allows that there is no account.
    pub(in crate::config) fn allow_none(&mut self) {
        self.may_be_none = true;
    }

    /// Returns true if the account's token is in a directory of tokens.
    pub(super) fn contains(&self, account: &AccountName) -> bool {
        self.names.contains(account.as_str())
    }

    /// Returns the token that the account runs with.
    pub(super) fn running_token(&self, account: &AccountName) -> Option<&Token> {
        self.running.get(account.as_str())
    }

    /// Orders accounts by their right to a token: those that set it themselves, those that run with it, those that run
    /// with another one, and new ones.
    pub(super) fn precedence(&self, account: &AccountConfig) -> u8 {
        match self.running_token(&account.name) {
            _ if !self.contains(&account.name) => 0,
            Some(running) if running.same_as(&account.token) => 1,
            Some(_) => 2,
            None => 3,
        }
    }

    /// Returns the origin of an account's token.
    pub(in crate::config) fn origin(&self, account: &str) -> TokenOrigin {
        if self.names.contains(account) {
            TokenOrigin::Found { running: self.running.get(account).cloned() }
        } else {
            TokenOrigin::Configured
        }
    }
}

fn add_one(
    file: &TokenFile,
    accounts: &mut Map<String, Value>,
    places: &mut Locations,
) -> Result<(), Problem> {
    let TokenFile { account, path } = file;
    let refuse = |what: String, remedy: String| {
        let message = format!("{}: {what}; the file is left out", path.display());
        Problem::new(TOKEN_DIR, message, remedy)
    };
    AccountName::new(account).map_err(|error| refuse(error.what(), error.remedy()))?;
    let table = accounts.entry(account.clone());
    let table = table.or_insert_with(|| Value::from(Map::<String, Value>::new()));
    let ValueKind::Table(table) = &mut table.kind else { return Ok(()) };
    if let Some(key) = TOKEN.keys.into_iter().find(|key| table.contains_key(*key)) {
        let key = format!("accounts.{account}.{key}");
        let set_at =
            places.get(&key).map(|place| format!(" in {}", Location::describe(place))).unwrap_or_default();
        return Err(refuse(format!("{key} is set{set_at}"), "keep one of the two".into()));
    }
    // The path is relative to the place, which is the file itself.
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    table.insert(TOKEN.keys[0].to_owned(), Value::from(name));
    let key = format!("accounts.{account}.{}", TOKEN.keys[0]);
    places.insert(key, Location { file: path.as_path().into(), line: None });
    Ok(())
}
