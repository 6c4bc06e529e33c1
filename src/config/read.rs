//! The reader of the whole configuration.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use config::{Map, Value};
use matterhost_actors::{
    hosting::HostSettings,
    model::{AccountName, NameError, ServerName},
};

use super::{
    AccountConfig, Config, KnownKey, Problem, ServerConfig, SinkConfig, Sources,
    accounts::{self, KnownNames},
    admin, audit, catch_up, dead_letter, delivery, health, host,
    key_reader::{Diagnostics, TableReader, unknown},
    log, metrics, open_files, replies, restart,
    servers::{self, ReadContext},
    sinks, state,
};

/// The known sections.
const SECTIONS: [&str; 15] = [
    "servers",
    "accounts",
    "sinks",
    "dead_letter",
    "restart",
    "health",
    "delivery",
    "catch_up",
    "audit",
    "replies",
    "state",
    "admin",
    "log",
    "metrics",
    "host",
];

/// The parsed configuration; sections are removed from it as they are read.
struct Tree(BTreeMap<String, Value>);

/// Tables by name; the second value is the validated name.
type Named<T> = Vec<(String, Option<T>, Value)>;

pub(super) fn config(sources: &Sources, open_files: Option<u64>) -> Result<Config, Vec<Problem>> {
    let tree = Tree(sources.collect().map_err(|problem| vec![problem])?.into_iter().collect());
    let directory = sources.file.parent().unwrap_or(Path::new(""));
    let context = ReadContext { directory, environment: &sources.environment };
    let mut report = Diagnostics::default();
    let config = read(tree, &context, open_files, &mut report);
    if report.problems.is_empty() {
        Ok(Config { warnings: report.warnings, ..config })
    } else {
        Err(report.problems)
    }
}

/// Returns every key, by running the readers over empty tables.
pub fn known_keys() -> Vec<KnownKey> {
    let named = |name: &str| -> Value {
        Map::from([(name.to_owned(), Value::from(Map::<String, Value>::new()))]).into()
    };
    let tree = [
        ("servers".to_owned(), named("a")),
        ("accounts".to_owned(), named("a")),
        ("sinks".to_owned(), sinks::one_per_type()),
    ];
    let context =
        ReadContext { directory: Path::new(""), environment: &std::collections::HashMap::default() };
    let mut report = Diagnostics::default();
    read(Tree(tree.into()), &context, None, &mut report);
    report.known
}

fn read(
    mut tree: Tree,
    context: &ReadContext<'_>,
    open_files: Option<u64>,
    report: &mut Diagnostics,
) -> Config {
    tree.refuse_unknown(report);
    let (servers, server_names) = read_servers(&mut tree, context, report);
    let restart = restart::read(tree.section("restart", report));
    let (sinks, sink_names) = read_sinks(&mut tree, context, report);
    let names = KnownNames { servers: server_names, sinks: sink_names };
    let accounts = read_accounts(&mut tree, &names, context, report);
    sinks::warn_unused(&sinks, &accounts, report);
    let dead_letter = dead_letter::read(tree.section("dead_letter", report), context);
    let health = health::read(tree.section("health", report));
    let delivery = delivery::read(tree.section("delivery", report));
    let catch_up = catch_up::read(tree.section("catch_up", report));
    let audit = audit::read(tree.section("audit", report));
    let replies = replies::read(tree.section("replies", report));
    let state = state::read(tree.section("state", report), context);
    let admin = admin::read(tree.section("admin", report), context);
    let admin = admin.with_token_directory(state.token_dir(context.environment));
    let log = log::read(tree.section("log", report));
    let metrics = metrics::read(tree.section("metrics", report));
    let host = host::read(tree.section("host", report));
    let files = sinks.iter().map(SinkConfig::open_files).sum::<usize>() + admin.open_files();
    let needed = open_files::needed(accounts.len(), servers.len(), host.arbiters, files);
    report.problems.extend(open_files::check(needed, accounts.len(), open_files));
    let settings = HostSettings {
        restart,
        health,
        delivery,
        catch_up,
        audit,
        replies,
        hello_timeout: host.hello_timeout,
        stop_deadline: host.stop_deadline,
        arbiters: host.arbiters,
    };
    let shutdown_deadline = host.shutdown_deadline;
    let warnings = Vec::new();
    Config {
        servers,
        accounts,
        sinks,
        dead_letter,
        host: settings,
        shutdown_deadline,
        state,
        admin,
        log,
        metrics,
        warnings,
    }
}

fn read_servers(
    tree: &mut Tree,
    context: &ReadContext<'_>,
    report: &mut Diagnostics,
) -> (Vec<ServerConfig>, Vec<String>) {
    let tables = tree.named("servers", ServerName::new, report);
    if tables.is_empty() {
        let remedy = "add [servers.NAME] with url = \"https://…\"";
        report.problems.push(Problem::new("servers", "there is no server", remedy));
    }
    let names = tables.iter().map(|(name, ..)| name.clone()).collect();
    let read = |(name, checked, value): (String, Option<ServerName>, Value)| {
        let section = TableReader::new(format!("servers.{name}"), "servers.NAME", Some(value), report);
        servers::read(checked, section, context)
    };
    (tables.into_iter().filter_map(read).collect(), names)
}

fn read_sinks(
    tree: &mut Tree,
    context: &ReadContext<'_>,
    report: &mut Diagnostics,
) -> (Vec<SinkConfig>, Vec<String>) {
    let tables = tree.named("sinks", |name| AccountName::new(name).map(|_| name.into()), report);
    if tables.is_empty() {
        let output = SinkConfig::default_stdout();
        return (vec![output.clone()], vec![output.name.as_ref().into()]);
    }
    let names = tables.iter().map(|(name, ..)| name.clone()).collect();
    let read = |(name, checked, value): (String, Option<Arc<str>>, Value)| {
        let section = TableReader::new(format!("sinks.{name}"), "sinks.NAME", Some(value), report);
        sinks::read(checked, section, context)
    };
    let sinks: Vec<_> = tables.into_iter().filter_map(read).collect();
    report.problems.extend(sinks::shared_files(&sinks));
    (sinks, names)
}

fn read_accounts(
    tree: &mut Tree,
    names: &KnownNames,
    context: &ReadContext<'_>,
    report: &mut Diagnostics,
) -> Vec<AccountConfig> {
    let tables = tree.named("accounts", AccountName::new, report);
    if tables.is_empty() {
        let remedy = "add [accounts.NAME] with token_file = \"…\"";
        report.problems.push(Problem::new("accounts", "there is no account", remedy));
    }
    let read = |(name, checked, value): (String, Option<AccountName>, Value)| {
        let section = TableReader::new(format!("accounts.{name}"), "accounts.NAME", Some(value), report);
        accounts::read(checked, section, names, context)
    };
    let accounts: Vec<_> = tables.into_iter().filter_map(read).collect();
    report.problems.extend(accounts::duplicate_tokens(&accounts));
    accounts
}

impl Tree {
    fn section<'a>(&mut self, name: &'static str, report: &'a mut Diagnostics) -> TableReader<'a> {
        TableReader::new(name.into(), name, self.0.remove(name), report)
    }

    /// Returns the tables of a section whose keys are names.
    fn named<T>(
        &mut self,
        section: &'static str,
        check: impl Fn(&str) -> Result<T, NameError>,
        report: &mut Diagnostics,
    ) -> Named<T> {
        let tables = TableReader::new(section.into(), section, self.0.remove(section), report).into_values();
        let take = |(name, value): (String, Value)| {
            let checked = check(&name);
            if let Err(error) = &checked {
                report.problems.push(Problem::new(section, error.what(), error.remedy()));
            }
            (name, checked.ok(), value)
        };
        tables.into_iter().map(take).collect()
    }

    fn refuse_unknown(&self, report: &mut Diagnostics) {
        for (key, value) in &self.0 {
            if !SECTIONS.contains(&key.as_str()) {
                report.problems.push(unknown(key.clone(), key, value, "there is no such section", &SECTIONS));
            }
        }
    }
}
