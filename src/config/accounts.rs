//! `[accounts.NAME]`: the server, the token and the sinks of each account.

use std::{
    collections::{HashMap, btree_map::BTreeMap},
    path::PathBuf,
    sync::Arc,
};

use matterhost_actors::model::{AccountName, ServerName, Token};

use super::{
    key_reader::TableReader,
    problem::{Problem, did_you_mean, display_value},
    secret_source::SecretSource,
    servers::ReadContext,
    value::StringList,
};

const TOKEN: SecretSource =
    SecretSource { noun: "token", owner: "bot's", keys: ["token_file", "token_env", "token"] };

/// A bot account to host.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// The name; unique in the host.
    pub name: AccountName,
    /// The server that the account is on.
    pub server: ServerName,
    /// The access token.
    pub token: Token,
    /// The file that the token was read from, if it is in a file.
    pub token_file: Option<PathBuf>,
    /// The names of the account's sinks, in the configured order; at least one.
    pub sinks: Vec<Arc<str>>,
}

/// The names that accounts may refer to, including those of invalid servers and sinks.
pub(super) struct KnownNames {
    pub(super) servers: Vec<String>,
    pub(super) sinks: Vec<String>,
}

/// Reads one account.
pub(super) fn read(
    name: Option<AccountName>,
    mut section: TableReader<'_>,
    names: &KnownNames,
    context: &ReadContext<'_>,
) -> Option<AccountConfig> {
    let server = server(&mut section, &names.servers);
    let token_file = TOKEN.file(&section, context);
    let token = token(&mut section, context);
    let sinks = sinks(&mut section, &names.sinks);
    section.finish();
    Some(AccountConfig { name: name?, server: server?, token: token?, token_file, sinks: sinks? })
}

/// Reads the account's sinks. With several known sinks there is no default.
fn sinks(section: &mut TableReader<'_>, known: &[String]) -> Option<Vec<Arc<str>>> {
    let given = section.optional::<StringList>("sinks");
    let names = match (given, known) {
        (None, _) if section.has("sinks") => return None,
        (None, [only]) => vec![only.clone()],
        (None, several) => {
            let remedy = format!("name one or more of {}", several.join(", "));
            section.refuse("sinks", "it is missing", remedy);
            return None;
        }
        (Some(StringList(names)), _) => names,
    };
    let mut problems: Vec<_> = names
        .iter()
        .enumerate()
        .filter_map(|(at, name)| {
            if names[..at].contains(name) {
                Some((format!("{} is listed twice", display_value(name)), "keep one of them".to_owned()))
            } else {
                unknown_sink(name, known)
            }
        })
        .collect();
    if names.is_empty() {
        problems.push(("it is empty".into(), format!("name one or more of {}", known.join(", "))));
    }
    let good = problems.is_empty();
    for (message, remedy) in problems {
        section.refuse("sinks", message, remedy);
    }
    good.then(|| names.iter().map(|name| name.as_str().into()).collect())
}

fn unknown_sink(name: &str, known: &[String]) -> Option<(String, String)> {
    if known.iter().any(|other| other == name) {
        return None;
    }
    let remedy = did_you_mean(name, known.iter().map(String::as_str)).map_or_else(
        || format!("name one or more of {}, or add [sinks.NAME] for it", known.join(", ")),
        |meant| format!("did you mean {meant}?"),
    );
    Some((format!("there is no sink {}", display_value(name)), remedy))
}

fn token(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<Token> {
    let (key, text) = TOKEN.read(section, context)?;
    match Token::new(text) {
        Ok(token) => Some(token),
        Err(error) => {
            section.refuse(key, error.to_string(), "store only the bot's access token there");
            None
        }
    }
}

fn server(section: &mut TableReader<'_>, servers: &[String]) -> Option<ServerName> {
    let given = section.optional::<String>("server");
    let name = match (given, servers) {
        (None, _) if section.has("server") => return None,
        // `read` reports a configuration without servers once, for all accounts.
        (_, []) => return None,
        (None, [only]) => only.clone(),
        (None, several) => {
            section.refuse("server", "it is missing", format!("name one of {}", several.join(", ")));
            return None;
        }
        (Some(name), known) if known.contains(&name) => name,
        (Some(name), known) => {
            let remedy = did_you_mean(&name, known.iter().map(String::as_str)).map_or_else(
                || format!("name one of {}, or add [servers.NAME] for it", known.join(", ")),
                |meant| format!("did you mean {meant}?"),
            );
            section.refuse("server", format!("there is no server {}", display_value(&name)), remedy);
            return None;
        }
    };
    ServerName::new(&name).ok()
}

/// Refuses accounts that share a token: they would be the same bot, hosted twice. The token is not shown.
pub(super) fn duplicate_tokens(accounts: &[AccountConfig]) -> Vec<Problem> {
    let mut seen: HashMap<u64, Vec<&AccountConfig>> = HashMap::new();
    let mut problems = BTreeMap::new();
    for account in accounts {
        let alike = seen.entry(account.token.fingerprint()).or_default();
        if let Some(first) = alike.iter().find(|other| other.token.same_as(&account.token)) {
            let message = format!("it has the same token as account {}", first.name);
            let remedy = "give each bot its own token, or remove one of the two accounts";
            problems.insert(
                account.name.clone(),
                Problem::new(format!("accounts.{}", account.name), message, remedy),
            );
        }
        alike.push(account);
    }
    problems.into_values().collect()
}
