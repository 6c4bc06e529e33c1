//! `[accounts.NAME]`: which server they are on, and their tokens.

use std::collections::{HashMap, btree_map::BTreeMap};

use matterhost_actors::model::{AccountName, ServerName, Token};

use super::{
    problem::{Problem, did_you_mean, shown},
    section::Section,
    servers::Around,
    token,
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
}

/// Reads one account. `servers` are the names of all servers, also of those that are wrong in themselves.
pub(super) fn read(
    name: Option<AccountName>,
    mut section: Section<'_>,
    servers: &[String],
    around: &Around<'_>,
) -> Option<AccountConfig> {
    let server = server(&mut section, servers);
    let token = token::read(&mut section, around);
    section.finish();
    Some(AccountConfig { name: name?, server: server?, token: token? })
}

fn server(section: &mut Section<'_>, servers: &[String]) -> Option<ServerName> {
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
pub(super) fn duplicates(accounts: &[AccountConfig]) -> Vec<Problem> {
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
