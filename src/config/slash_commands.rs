//! `[accounts.NAME.commands.TRIGGER]`: the slash commands of an account.

use std::collections::BTreeMap;

use config::{Map, Value, ValueKind};

use super::{
    AccountConfig, AdminToken, Config, HooksConfig,
    key_reader::{Diagnostics, TableReader},
    problem::Problem,
    secret_source::SecretSource,
    servers::ReadContext,
    value::StringList,
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
    /// The text that people see in the list of commands.
    pub description: String,
    /// The text that shows the arguments, such as `[environment]`.
    pub hint: String,
    /// The names of the teams in which the host registers the command.
    pub teams: Vec<String>,
    /// The method of the server's request.
    pub method: CommandMethod,
    /// The tokens that the server gave the command, one for each team, if an administrator made it; else the host registers it.
    pub tokens: Vec<AdminToken>,
}

/// The method of the server's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandMethod {
    /// POST.
    Post,
    /// GET.
    Get,
}

impl CommandConfig {
    /// Returns true if both are the same command.
    pub fn same_as(&self, other: &Self) -> bool {
        self.tokens.iter().map(AdminToken::expose).eq(other.tokens.iter().map(AdminToken::expose))
            && (&self.description, &self.hint, &self.teams, self.method)
                == (&other.description, &other.hint, &other.teams, other.method)
    }
}

/// Reports commands that the server cannot send to this host, or that have no token.
pub(super) fn check(config: &Config, report: &mut Diagnostics) {
    for account in &config.accounts {
        let server = config.servers.iter().find(|server| server.name == account.server);
        let registers = server.is_some_and(|server| server.commands_token.is_some());
        for (trigger, command) in &account.commands {
            let path = format!("accounts.{}.commands.{trigger}", account.name);
            report.problems.extend(match &config.hooks {
                None => {
                    let remedy = "set hooks.bind and hooks.public_url, or remove the command";
                    Some(Problem::new(&path, "the host takes no commands without [hooks]", remedy))
                }
                Some(hooks) => problem(account, trigger, command, registers, hooks, &path),
            });
        }
    }
}

fn problem(
    account: &AccountConfig,
    trigger: &str,
    command: &CommandConfig,
    registers: bool,
    hooks: &HooksConfig,
    path: &str,
) -> Option<Problem> {
    if !command.tokens.is_empty() {
        return None;
    }
    if registers {
        let remedy = "set teams to the names of the teams that shall have it, as their addresses show them";
        let message = "the host cannot register it in no team";
        return command.teams.is_empty().then(|| Problem::new(path, message, remedy));
    }
    let (name, server) = (&account.name, &account.server);
    let url = format!("{}/hooks/{name}/command/{trigger}", hooks.public_url);
    let remedy = format!(
        "let an administrator make the command in Mattermost (Integrations, Slash Commands) with the request URL {url}, and \
         set token_file to a file with its token; or set servers.{server}.commands_token_file, so that the host makes it"
    );
    Some(Problem::new(path, "there is no token, and none to register it with", remedy))
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
    let description = section.optional("description").unwrap_or_default();
    let hint = section.optional("hint").unwrap_or_default();
    let StringList(teams) = section.optional("teams").unwrap_or_default();
    let method = match section.optional::<String>("method").as_deref() {
        None | Some("POST") => CommandMethod::Post,
        Some("GET") => CommandMethod::Get,
        Some(_) => {
            section.refuse("method", "it is neither POST nor GET", "write POST or GET");
            CommandMethod::Post
        }
    };
    let mut tokens = Vec::new();
    if let Some((key, text)) = TOKEN.read_optional(&mut section, context) {
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
    CommandConfig { description, hint, teams, method, tokens }
}
