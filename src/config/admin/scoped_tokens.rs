//! `[admin.tokens.NAME]`: tokens of the admin API that may do only a part of everything.

use std::{collections::BTreeSet, fmt, sync::Arc};

use config::Value;
use matterhost_actors::model::AccountName;

use super::{AdminConfig, AdminToken, token};
use crate::config::{
    AccountConfig,
    key_reader::{Diagnostics, TableReader},
    problem::did_you_mean,
    secret_source::SecretSource,
    servers::ReadContext,
    value::StringList,
};

/// The most tokens with a scope: each request is compared with all of them.
const MOST_TOKENS: usize = 256;

/// The keys of a token.
const SOURCE: SecretSource =
    SecretSource { noun: "token", owner: "admin's", keys: ["token_file", "token_env", "token"] };

/// The part of the API that a token grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenScope {
    /// Everything that changes nothing and shows no posts.
    Read,
    /// Actions and look-ups of these accounts, and nothing else.
    Act(Arc<[AccountName]>),
    /// Everything.
    Full,
}

/// A token with its scope.
#[derive(Debug, Clone)]
pub struct ScopedToken {
    /// Its name in the configuration.
    pub name: String,
    /// The token itself.
    pub token: AdminToken,
    /// The part of the API that it grants.
    pub scope: TokenScope,
}

impl ScopedToken {
    /// True if both have the same name, token and scope.
    pub(in crate::config) fn same_as(&self, other: &Self) -> bool {
        (&self.name, &self.scope) == (&other.name, &other.scope) && self.token.matches(other.token.expose())
    }
}

impl fmt::Display for TokenScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("read"),
            Self::Act(accounts) => {
                let names: Vec<_> = accounts.iter().map(AccountName::as_str).collect();
                write!(f, "act ({})", names.join(", "))
            }
            Self::Full => f.write_str("full"),
        }
    }
}

/// Reads the tokens. Those that are not valid are reported, each with all that is wrong with it.
pub(super) fn read(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Vec<ScopedToken> {
    let tables = section.take_tables("tokens");
    if tables.len() > MOST_TOKENS {
        let message = format!("there are {} tokens", tables.len());
        section.refuse("tokens", message, format!("use at most {MOST_TOKENS}"));
    }
    let report = section.report();
    tables.into_iter().filter_map(|(name, value)| read_token(name, value, report, context)).collect()
}

fn read_token(
    name: String,
    value: Value,
    report: &mut Diagnostics,
    context: &ReadContext<'_>,
) -> Option<ScopedToken> {
    let mut table =
        TableReader::new(format!("admin.tokens.{name}"), "admin.tokens.NAME", Some(value), report);
    if let Err(error) = AccountName::new(&name) {
        table.refuse_table(error.what(), error.remedy());
    }
    let scope = read_scope(&mut table);
    let token = SOURCE.read(&mut table, context);
    let token = token.and_then(|(key, text)| token::check(&mut table, key, &text));
    table.finish();
    Some(ScopedToken { name, token: token?, scope: scope? })
}

fn read_scope(table: &mut TableReader<'_>) -> Option<TokenScope> {
    const REMEDY: &str = "use \"read\", \"act\" with accounts, or \"full\"";
    let scope = table.optional::<String>("scope");
    let accounts = read_accounts(table);
    let Some(scope) = scope else {
        if !table.has("scope") {
            table.refuse_table("there is no scope", format!("set scope: {REMEDY}"));
        }
        return None;
    };
    match (scope.as_str(), accounts) {
        ("act", accounts) if accounts.is_empty() => {
            if !table.has("accounts") {
                let message = "a token with the scope act needs accounts";
                table.refuse_table(message, "set accounts to the accounts that it may act as");
            }
            None
        }
        ("act", accounts) => Some(TokenScope::Act(accounts.into())),
        ("read" | "full", _) if table.has("accounts") => {
            let message = format!("a token with the scope {scope} is not limited to accounts");
            table.refuse("accounts", message, "remove accounts, or use the scope act");
            None
        }
        ("read", _) => Some(TokenScope::Read),
        ("full", _) => Some(TokenScope::Full),
        // It is not shown: it may be a misplaced token.
        _ => {
            table.refuse("scope", "there is no such scope", REMEDY);
            None
        }
    }
}

fn read_accounts(table: &mut TableReader<'_>) -> Vec<AccountName> {
    let listed = table.optional::<StringList>("accounts");
    let is_empty = listed.as_ref().is_some_and(|StringList(names)| names.is_empty());
    if is_empty {
        table.refuse("accounts", "the list is empty", "name the accounts that the token may act as");
    }
    let StringList(names) = listed.unwrap_or_default();
    let check = |name: String| match AccountName::new(&name) {
        Ok(name) => Some(name),
        Err(error) => {
            table.refuse("accounts", error.what(), error.remedy());
            None
        }
    };
    names.into_iter().filter_map(check).collect()
}

/// Refuses tokens that are the same: it would not be clear what they grant.
pub(super) fn refuse_equal(section: &mut TableReader<'_>, config: &AdminConfig) {
    let single = [("token", &config.token), ("read_token", &config.read_token)];
    let single = single.into_iter().filter_map(|(key, token)| Some((key.to_owned(), token.as_ref()?)));
    let scoped = config.scoped_tokens.iter().map(|token| (format!("tokens.{}", token.name), &token.token));
    let all: Vec<_> = single.chain(scoped).collect();
    for (n, (key, token)) in all.iter().enumerate() {
        if let Some((other, _)) = all[..n].iter().find(|(_, other)| other.matches(token.expose())) {
            let message = format!("this is the same token as admin.{other}");
            section.refuse(key, message, "generate one for each: `openssl rand -hex 32`");
        }
    }
}

/// Warns of accounts that tokens may act as and that do not exist. They may be added while the host runs.
pub(in crate::config) fn warn_of_unknown_accounts(
    config: &AdminConfig,
    accounts: &[AccountConfig],
    report: &mut Diagnostics,
) {
    let known: BTreeSet<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
    for token in &config.scoped_tokens {
        let TokenScope::Act(names) = &token.scope else { continue };
        for name in names.iter().filter(|name| !known.contains(name.as_str())) {
            let meant = did_you_mean(name.as_str(), known.iter().copied());
            let remedy = meant.map_or_else(
                || "add the account, or remove it here".to_owned(),
                |meant| format!("did you mean {meant}?"),
            );
            let key = format!("admin.tokens.{}.accounts", token.name);
            report.warn(&key, format!("there is no account {name}"), remedy);
        }
    }
}

#[cfg(test)]
mod tests;
