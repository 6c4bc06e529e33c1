//! `[accounts.NAME.commands.TRIGGER]`: the slash commands of an account.

use std::collections::BTreeMap;

use config::{Map, Value, ValueKind};

use super::{
    AccountConfig, AdminToken,
    key_reader::{Diagnostics, TableReader},
    problem::Problem,
    secret_source::SecretSource,
    servers::ReadContext,
};

/// The longest trigger that the server takes.
const MAX_TRIGGER_CHARS: usize = 128;

const TOKEN: SecretSource =
    SecretSource { noun: "token", owner: "command's", keys: ["token_file", "token_env", "token"] };

/// The slash commands of an account, by trigger.
pub type Commands = BTreeMap<String, CommandConfig>;

/// A slash command of an account.
#[derive(Debug, Clone)]
pub struct CommandConfig {
    /// The tokens that the server gave the command, one for each team: an administrator made it.
    pub tokens: Vec<AdminToken>,
}

impl CommandConfig {
    /// Returns true if both are the same command.
    pub fn same_as(&self, other: &Self) -> bool {
        self.tokens.iter().map(AdminToken::expose).eq(other.tokens.iter().map(AdminToken::expose))
    }
}

/// Reports commands of a host that listens for none.
pub(super) fn refuse_without_hooks(accounts: &[AccountConfig], report: &mut Diagnostics) {
    for account in accounts.iter().filter(|account| !account.commands.is_empty()) {
        let path = format!("accounts.{}.commands", account.name);
        let remedy = "set hooks.bind and hooks.public_url, or remove the commands";
        report.problems.push(Problem::new(&path, "the host takes no commands without [hooks]", remedy));
    }
}

/// Takes the commands out of an account's table, before its other keys are read.
pub(super) fn take(account: &mut Value) -> Option<Value> {
    let ValueKind::Table(table) = &mut account.kind else { return None };
    table.remove("commands")
}

/// Returns a table with one command, to find its keys.
pub(super) fn one() -> Value {
    let empty = Value::from(Map::<String, Value>::new());
    let commands = Value::from(Map::from([("a".to_owned(), empty)]));
    Map::from([("commands".to_owned(), commands)]).into()
}

/// Reads the commands of an account.
pub(super) fn read(
    account: &str,
    table: Option<Value>,
    context: &ReadContext<'_>,
    report: &mut Diagnostics,
) -> Commands {
    let path = format!("accounts.{account}.commands");
    let shape = "accounts.NAME.commands";
    let commands = TableReader::new(path.clone(), shape, table, report).into_values();
    let mut read = Commands::new();
    for (trigger, value) in commands {
        if !is_trigger(&trigger) {
            let message = "a trigger has letters, digits, - and _, and no slash";
            report.problems.push(Problem::new(
                &path,
                message,
                "write [accounts.NAME.commands.deploy] for /deploy",
            ));
        }
        let section =
            TableReader::new(format!("{path}.{trigger}"), "accounts.NAME.commands.NAME", Some(value), report);
        read.insert(trigger, read_command(section, context));
    }
    read
}

fn is_trigger(trigger: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    (1..=MAX_TRIGGER_CHARS).contains(&trigger.len()) && trigger.chars().all(is_allowed)
}

fn read_command(mut section: TableReader<'_>, context: &ReadContext<'_>) -> CommandConfig {
    let mut tokens = Vec::new();
    if let Some((key, text)) = TOKEN.read(&mut section, context) {
        for token in text.split_whitespace() {
            match AdminToken::new(token) {
                Ok(token) => tokens.push(token),
                Err(error) => {
                    section.refuse(
                        key,
                        error.to_string(),
                        "use the token that Mattermost shows for the command",
                    );
                }
            }
        }
    }
    section.finish();
    CommandConfig { tokens }
}
