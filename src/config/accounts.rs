//! `[accounts.NAME]`: which server they are on, their tokens, and where their events go.

use std::{
    collections::{HashMap, btree_map::BTreeMap},
    path::PathBuf,
    sync::Arc,
};

use matterhost_actors::model::{AccountName, ServerName, Token};

use super::{
    problem::{Problem, did_you_mean, shown},
    servers::ReadContext,
    table::TableReader,
    token,
    value::StringList,
};

/// A bot account to host.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// Its name; unique in the host.
    pub name: AccountName,
    /// The server it is on.
    pub server: ServerName,
    /// Its token.
    pub token: Token,
    /// The file that it is from, if it is from one.
    pub token_file: Option<PathBuf>,
    /// The names of its sinks, in the order given; at least one.
    pub sinks: Vec<Arc<str>>,
}

/// The names that an account may give, also of what is wrong in itself.
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
    let token_file = token::file(&section, context);
    let token = token::read(&mut section, context);
    let sinks = sinks(&mut section, &names.sinks);
    section.finish();
    Some(AccountConfig { name: name?, server: server?, token: token?, token_file, sinks: sinks? })
}

/// The account's sinks. Several may be known, and then nobody but the operator can say which are meant.
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
                Some((format!("{} stands there twice", shown(name)), "keep one of them".to_owned()))
            } else {
                unknown_sink(name, known)
            }
        })
        .collect();
    if names.is_empty() {
        problems.push(("it is empty".into(), format!("name one or more of {}", known.join(", "))));
    }
    let good = problems.is_empty();
    for (what, remedy) in problems {
        section.refuse("sinks", what, remedy);
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
    Some((format!("there is no sink {}", shown(name)), remedy))
}

fn server(section: &mut TableReader<'_>, servers: &[String]) -> Option<ServerName> {
    let given = section.optional::<String>("server");
    let name = match (given, servers) {
        (None, _) if section.has("server") => return None,
        // That there is no server at all is said once, elsewhere.
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
            section.refuse("server", format!("there is no server {}", shown(&name)), remedy);
            return None;
        }
    };
    ServerName::new(&name).ok()
}

/// Refuses accounts that share a token: they would be one account, heard twice. The token is not shown.
pub(super) fn duplicate_tokens(accounts: &[AccountConfig]) -> Vec<Problem> {
    let mut seen: HashMap<u64, Vec<&AccountConfig>> = HashMap::new();
    let mut problems = BTreeMap::new();
    for account in accounts {
        let alike = seen.entry(account.token.fingerprint()).or_default();
        if let Some(first) = alike.iter().find(|other| other.token.same_as(&account.token)) {
            let what = format!("it has the same token as account {}", first.name);
            let remedy = "give each bot its own token, or take one of the two out";
            problems.insert(
                account.name.clone(),
                Problem::new(format!("accounts.{}", account.name), what, remedy),
            );
        }
        alike.push(account);
    }
    problems.into_values().collect()
}
