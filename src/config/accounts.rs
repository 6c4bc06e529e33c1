//! `[accounts.NAME]`: the server, the token and the sinks of each account.

mod found;

pub(super) use found::FoundAccounts;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use config::{Value, ValueKind};
use matterhost_actors::{
    hosting::AccountSettings,
    model::{AccountName, ServerName, Token},
};

use super::{
    key_reader::{Diagnostics, TableReader},
    problem::{Problem, did_you_mean, display_value},
    secret_source::SecretSource,
    servers::ReadContext,
    slash_commands::Commands,
    sources::Locations,
    template::Names,
    value::StringList,
};

/// The consequences of a file of tokens that cannot be used.
const KEEPS_TOKEN: &str = "its previous token stays in use";
pub(super) const LEFT_OUT: &str = "the account is left out";

/// The section with the values for keys that accounts leave out.
pub(super) const DEFAULTS: &str = "account_defaults";

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
    /// Its slash commands.
    pub commands: Commands,
    /// The settings of the account, if it or its server has its own.
    pub settings: Option<Arc<AccountSettings>>,
    /// The place that makes it an account.
    pub source: AccountSource,
}

/// The place that makes an account one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountSource {
    /// A file of the configuration, or a file in a directory of tokens.
    File(Arc<Path>),
    /// Variables of the environment.
    Environment,
    /// The admin API.
    Api,
}

impl AccountSource {
    /// Returns the source of an account of the configuration.
    fn of(name: &AccountName, places: &Locations) -> Self {
        let place = |key: String| places.get(&key).map(|place| Self::File(Arc::clone(&place.file)));
        place(format!("accounts.{name}"))
            .or_else(|| place(format!("accounts.{name}.{}", TOKEN.keys[0])))
            .unwrap_or(Self::Environment)
    }
}

impl fmt::Display for AccountSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Environment => f.write_str("environment"),
            Self::Api => f.write_str("api"),
        }
    }
}

/// The names that accounts may refer to, including those of invalid servers and sinks, and the values for keys that they
/// leave out.
#[derive(Clone, Default)]
pub(super) struct KnownNames {
    pub(super) servers: Vec<String>,
    pub(super) sinks: Vec<String>,
    /// The values of `[account_defaults]`.
    pub(super) defaults: BTreeMap<String, Value>,
}

/// The origin of an account's token.
#[derive(Debug, Clone)]
pub(super) enum TokenOrigin {
    /// The account's own keys, or those of `[account_defaults]`.
    Configured,
    /// A file in a directory of tokens. If it cannot be used, the token that the account runs with stays in use.
    Found { running: Option<Token> },
}

/// Reads one account.
pub(super) fn read(
    name: Option<AccountName>,
    mut section: TableReader<'_>,
    origin: TokenOrigin,
    names: &KnownNames,
    context: &ReadContext<'_>,
) -> Option<AccountConfig> {
    let is_new = matches!(origin, TokenOrigin::Found { running: None });
    let since = section.problem_count();
    let is_token = |key: &str| TOKEN.keys.contains(&key);
    let has_token = TOKEN.is_set(&section);
    section.inherit(DEFAULTS, names.defaults.iter().filter(|(key, _)| !(has_token && is_token(key))));
    let server = server(&mut section, &names.servers);
    if let Some(account) = &name {
        let server = server.as_ref().map_or("", ServerName::as_str);
        let names = Names { account: account.as_str(), server };
        section.map_texts(TOKEN.keys[0], &|text| names.fill(text));
    }
    let token_file = TOKEN.file(&section, context);
    let token = match origin {
        TokenOrigin::Configured => token(&mut section, context),
        TokenOrigin::Found { running } => found_token(&mut section, context, running),
    };
    let sinks = sinks(&mut section, &names.sinks);
    if is_new {
        // A file that is dropped into a directory must not keep other accounts from running.
        section.excuse(since, LEFT_OUT);
    }
    section.finish();
    let name = name?;
    let source = AccountSource::of(&name, context.places);
    Some(AccountConfig {
        name,
        server: server?,
        token: token?,
        token_file,
        sinks: sinks?,
        commands: Commands::new(),
        settings: None,
        source,
    })
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

/// Reads the token of a file in a directory of tokens. A file that cannot be used does not keep other accounts from
/// running.
fn found_token(
    section: &mut TableReader<'_>,
    context: &ReadContext<'_>,
    running: Option<Token>,
) -> Option<Token> {
    let since = section.problem_count();
    token(section, context).or_else(|| {
        let consequence = if running.is_some() { KEEPS_TOKEN } else { LEFT_OUT };
        section.excuse(since, consequence);
        running
    })
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

/// Refuses accounts that share a token: they would be the same bot, hosted twice. The token is not shown. An account of a
/// directory of tokens is left out instead, or keeps the token that it runs with.
pub(super) fn refuse_duplicate_tokens(
    accounts: &mut Vec<AccountConfig>,
    found: &FoundAccounts,
    report: &mut Diagnostics,
) {
    let mut owners = TokenOwners::default();
    let mut left_out = BTreeSet::new();
    let mut order: Vec<_> = (0..accounts.len()).collect();
    // A file that is new or changed must not displace an account that runs.
    order.sort_by_key(|at| found.precedence(&accounts[*at]));
    for at in order {
        let account = &mut accounts[at];
        let Some(first) = owners.claim(&account.token, &account.name) else { continue };
        let problem = same_token(&account.name, &first);
        if !found.contains(&account.name) {
            report.problems.push(problem);
            continue;
        }
        let running = found.running_token(&account.name);
        let running = running.filter(|token| owners.claim(token, &account.name).is_none());
        let consequence = if let Some(running) = running {
            account.token = running.clone();
            KEEPS_TOKEN
        } else {
            left_out.insert(account.name.clone());
            LEFT_OUT
        };
        report.left_out.push(problem.with_consequence(consequence));
    }
    accounts.retain(|account| !left_out.contains(&account.name));
}

/// Returns the problem of an account whose token is that of another.
pub(super) fn same_token(account: &AccountName, first: &AccountName) -> Problem {
    let message = format!("it has the same token as account {first}");
    let remedy = "give each bot its own token, or remove one of the two accounts";
    Problem::new(format!("accounts.{account}"), message, remedy)
}

/// The accounts that have a token, by its fingerprint.
#[derive(Default)]
pub(super) struct TokenOwners(HashMap<u64, Vec<(AccountName, Token)>>);

impl TokenOwners {
    /// Gives a token to an account, or returns the account that has it.
    pub(super) fn claim(&mut self, token: &Token, account: &AccountName) -> Option<AccountName> {
        let alike = self.0.entry(token.fingerprint()).or_default();
        if let Some((owner, _)) = alike.iter().find(|(_, other)| other.same_as(token)) {
            return Some(owner.clone());
        }
        alike.push((account.clone(), token.clone()));
        None
    }

    /// Returns the account that has a token.
    pub(super) fn owner(&self, token: &Token) -> Option<&AccountName> {
        let alike = self.0.get(&token.fingerprint())?;
        alike.iter().find(|(_, other)| other.same_as(token)).map(|(owner, _)| owner)
    }
}

/// Reads `[account_defaults]`, and returns the values that accounts inherit.
pub(super) fn read_defaults(table: Option<Value>, report: &mut Diagnostics) -> BTreeMap<String, Value> {
    let mut values = match table.as_ref().map(|table| &table.kind) {
        Some(ValueKind::Table(values)) => values.clone().into_iter().collect(),
        _ => BTreeMap::new(),
    };
    let mut section = TableReader::new(DEFAULTS.into(), DEFAULTS, table, report);
    section.optional::<String>("server");
    section.optional::<PathBuf>(TOKEN.keys[0]);
    section.optional::<StringList>("sinks");
    values.retain(|key, _| section.has_read(key));
    section.finish();
    values
}
