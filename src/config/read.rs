//! The reader of the whole configuration.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use config::{Map, Value, ValueKind};
use matterhost_actors::{
    hosting::HostSettings,
    model::{AccountName, NameError, ServerName},
};

use super::{
    AccountConfig, Config, KnownKey, Problem, ServerConfig, SinkConfig, Sources, StateConfig,
    accounts::{self, FoundAccounts, KnownNames, TokenOrigin},
    admin,
    api_accounts::{AccountReader, ApiAccounts},
    audit,
    bot_factories::Bots,
    catch_up, cluster, dead_letter, delivery, health, hooks, host,
    key_reader::{Diagnostics, TableReader, unknown},
    log, metrics,
    overrides::{self, Level},
    replies, restart,
    servers::{self, ReadContext},
    sinks::{self, SinkTable},
    slash_commands,
    sources::{Collected, INCLUDE, Layout, Locations, NamedTexts, TOKEN_DIR},
    state,
    value::StringList,
};

/// The known sections.
pub(super) const SECTIONS: [&str; 18] = [
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
    "hooks",
    "log",
    "metrics",
    "host",
    "cluster",
    accounts::DEFAULTS,
];

/// The parsed configuration; sections are removed from it as they are read.
pub(super) struct Tree(BTreeMap<String, Value>);

/// Tables by name; the second value is the validated name.
type Named<T> = Vec<(String, Option<T>, Value)>;

pub(super) fn config(
    sources: &Sources,
    open_files: Option<u64>,
    running: Option<&Config>,
    pinned: &NamedTexts,
) -> Result<Config, Vec<Problem>> {
    let Collected { tree, mut places, token_files, layout, is_incomplete, problems } =
        sources.collect(pinned)?;
    if is_incomplete {
        // What is missing would cause further errors, such as servers that are not known.
        return Err(problems);
    }
    let mut report = Diagnostics { problems, ..Diagnostics::default() };
    let mut tree = Tree(tree);
    let mut found = FoundAccounts::add(token_files, &mut tree, &layout, running, &mut places, &mut report);
    report.problems.extend(sources.bots.problems());
    let context = ReadContext {
        directory: sources.directory(),
        places: &places,
        environment: &sources.environment,
        bots: &sources.bots,
    };
    let api_accounts = match running {
        // The host is the only one that changes them.
        Some(running) => running.api_accounts.clone(),
        None => ApiAccounts::load(&tree.state(&context), &mut report),
    };
    if tree.0.contains_key("accounts") || !api_accounts.is_empty() {
        found.allow_none();
    }
    let (mut config, reader) = read(tree, &found, &context, &mut report);
    if report.problems.is_empty() {
        config.add_api_accounts(api_accounts, &reader, running, &context, &mut report);
    }
    report.warnings.extend(sources.bots.unused(&config.sinks));
    check(&config, open_files, &mut report);
    report.complete(&places);
    if report.problems.is_empty() {
        let reader = Arc::new(AccountReader { places, ..reader });
        Ok(Config { warnings: report.warnings, left_out: report.left_out, layout, reader, ..config })
    } else {
        Err(report.problems)
    }
}

/// Checks what depends on all accounts together.
fn check(config: &Config, open_files: Option<u64>, report: &mut Diagnostics) {
    admin::warn_of_unknown_accounts(&config.admin, &config.accounts, report);
    sinks::warn_unused(&config.sinks, &config.accounts, report);
    slash_commands::check(config, report);
    report.problems.extend(config.check_open_files(open_files));
}

/// Returns every key, by running the readers over empty tables.
pub fn known_keys() -> Vec<KnownKey> {
    let named = |name: &str| -> Value {
        Map::from([(name.to_owned(), Value::from(Map::<String, Value>::new()))]).into()
    };
    let tree = [
        ("servers".to_owned(), named("a")),
        ("accounts".to_owned(), Map::from([("a".to_owned(), slash_commands::one())]).into()),
        ("sinks".to_owned(), sinks::one_per_type()),
        ("admin".to_owned(), Map::from([("tokens".to_owned(), named("a"))]).into()),
    ];
    let (places, environment, bots) = (Locations::default(), HashMap::default(), Bots::default());
    let context =
        ReadContext { directory: Path::new(""), places: &places, environment: &environment, bots: &bots };
    let mut report = Diagnostics::default();
    report.register_root::<StringList>(INCLUDE);
    report.register_root::<StringList>(TOKEN_DIR);
    read(Tree(tree.into()), &FoundAccounts::default(), &context, &mut report);
    report.known
}

fn read(
    mut tree: Tree,
    found: &FoundAccounts,
    context: &ReadContext<'_>,
    report: &mut Diagnostics,
) -> (Config, AccountReader) {
    tree.refuse_unknown(report);
    for shape in ["servers.NAME", "accounts.NAME", accounts::DEFAULTS] {
        overrides::register(shape, report);
    }
    let host_level = Level::host(&tree.0);
    let restart = restart::read(tree.section("restart", report));
    let Items { servers, accounts, sinks, reader } =
        read_items(&mut tree, &host_level, found, context, report);
    let dead_letter = dead_letter::read(tree.section("dead_letter", report), context);
    let health = health::read(tree.section("health", report));
    let delivery = delivery::read(tree.section("delivery", report));
    let catch_up = catch_up::read(tree.section("catch_up", report));
    let audit = audit::read(tree.section("audit", report));
    let replies = replies::read(tree.section("replies", report));
    let state = state::read(tree.section("state", report), context);
    let admin = admin::read(tree.section("admin", report), context);
    let admin = admin.with_token_directory(state.token_dir(context.environment));
    let is_member = tree.0.contains_key("cluster");
    let hooks = hooks::read(tree.section("hooks", report), is_member, context);
    let hooks = hooks.map(|hooks| hooks.with_directory(state.token_dir(context.environment)));
    let log = log::read(tree.section("log", report));
    let metrics = metrics::read(tree.section("metrics", report));
    let host = host::read(tree.section("host", report));
    let cluster = cluster::read(tree.section("cluster", report), is_member, context);
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
        accounts_per_arbiter: host.accounts_per_arbiter,
    };
    let shutdown_deadline = host.shutdown_deadline;
    let config = Config {
        servers,
        accounts,
        sinks,
        dead_letter,
        host: settings,
        shutdown_deadline,
        state,
        admin,
        hooks,
        log,
        metrics,
        cluster,
        warnings: Vec::new(),
        left_out: Vec::new(),
        layout: Layout::default(),
        api_accounts: ApiAccounts::default(),
        reader: Arc::default(),
    };
    (config, reader)
}

/// The items of the configuration that have names.
struct Items {
    servers: Vec<ServerConfig>,
    accounts: Vec<AccountConfig>,
    sinks: Vec<SinkConfig>,
    reader: AccountReader,
}

/// Reads the servers, the accounts on them, and the sinks that these use.
fn read_items(
    tree: &mut Tree,
    host_level: &Level,
    found: &FoundAccounts,
    context: &ReadContext<'_>,
    report: &mut Diagnostics,
) -> Items {
    let (servers, levels) = read_servers(tree, host_level, context, report);
    let sink_tables = sink_tables(tree, report);
    let sink_names = sink_tables.iter().map(|table| table.name().to_owned()).collect();
    let mut defaults = tree.0.remove(accounts::DEFAULTS);
    let own = defaults.as_mut().map(overrides::take).unwrap_or_default();
    let levels = levels
        .into_iter()
        .map(|(server, level)| (server, level.child(own.clone(), accounts::DEFAULTS, report)));
    let levels: BTreeMap<_, _> = levels.collect();
    let defaults = accounts::read_defaults(defaults, report);
    let names = KnownNames { servers: levels.keys().cloned().collect(), sinks: sink_names, defaults };
    let mut accounts = read_accounts(tree, found, &levels, &names, context, report);
    let templates = sink_tables.iter().filter(|table| table.is_template()).cloned().collect();
    let sinks = read_sinks(sink_tables, &mut accounts, context, report);
    let reader = AccountReader { names, levels, templates, places: Locations::default() };
    Items { servers, accounts, sinks, reader }
}

/// Reads the servers, and the settings of each, also of those that are invalid.
fn read_servers(
    tree: &mut Tree,
    host: &Level,
    context: &ReadContext<'_>,
    report: &mut Diagnostics,
) -> (Vec<ServerConfig>, BTreeMap<String, Level>) {
    let tables = tree.named("servers", ServerName::new, report);
    if tables.is_empty() {
        let remedy = "add [servers.NAME] with url = \"https://…\"";
        report.problems.push(Problem::new("servers", "there is no server", remedy));
    }
    let mut levels = BTreeMap::new();
    let read = |(name, checked, mut value): (String, Option<ServerName>, Value)| {
        let path = format!("servers.{name}");
        let level = host.child(overrides::take(&mut value), &path, report);
        levels.insert(name, level);
        let section = TableReader::new(path, "servers.NAME", Some(value), report);
        servers::read(checked, section, context)
    };
    (tables.into_iter().filter_map(read).collect(), levels)
}

/// Returns the tables of the sinks, or that of standard output if there is none.
fn sink_tables(tree: &mut Tree, report: &mut Diagnostics) -> Vec<SinkTable> {
    let tables = tree.named("sinks", |name| AccountName::new(name).map(|_| name.into()), report);
    if tables.is_empty() {
        return vec![SinkTable::default_stdout()];
    }
    tables.into_iter().map(|(name, checked, value)| SinkTable::new(name, checked, value)).collect()
}

fn read_sinks(
    tables: Vec<SinkTable>,
    accounts: &mut [AccountConfig],
    context: &ReadContext<'_>,
    report: &mut Diagnostics,
) -> Vec<SinkConfig> {
    let sinks: Vec<_> = tables.into_iter().flat_map(|table| table.read(accounts, context, report)).collect();
    report.problems.extend(sinks::shared_files(&sinks));
    report.problems.extend(sinks::shared_dead_letters(&sinks));
    sinks
}

fn read_accounts(
    tree: &mut Tree,
    found: &FoundAccounts,
    levels: &BTreeMap<String, Level>,
    names: &KnownNames,
    context: &ReadContext<'_>,
    report: &mut Diagnostics,
) -> Vec<AccountConfig> {
    let tables = tree.named("accounts", AccountName::new, report);
    if tables.is_empty() {
        let remedy = "add [accounts.NAME] with token_file = \"…\", or token_dir = \"tokens\" and files in it";
        let problem = Problem::new("accounts", "there is no account", remedy);
        // They may be put into a directory, or by the admin API, while the host runs.
        let reports = if found.may_be_none() { &mut report.warnings } else { &mut report.problems };
        reports.push(problem);
    }
    let read = |(name, checked, value): (String, Option<AccountName>, Value)| {
        let origin = found.origin(&name);
        read_account((name, checked, value), origin, levels, names, context, report)
    };
    let mut accounts: Vec<_> = tables.into_iter().filter_map(read).collect();
    accounts::refuse_duplicate_tokens(&mut accounts, found, report);
    accounts
}

/// Reads the table of one account, with its sections.
pub(super) fn read_account(
    (name, checked, mut value): (String, Option<AccountName>, Value),
    origin: TokenOrigin,
    levels: &BTreeMap<String, Level>,
    names: &KnownNames,
    context: &ReadContext<'_>,
    report: &mut Diagnostics,
) -> Option<AccountConfig> {
    let path = format!("accounts.{name}");
    let own = overrides::take(&mut value);
    let commands = slash_commands::read(&name, slash_commands::take(&mut value), context, report);
    let section = TableReader::new(path.clone(), "accounts.NAME", Some(value), report);
    let account = accounts::read(checked, section, origin, names, context);
    // The sections of an invalid account are read too, to report their mistakes.
    let level = account.as_ref().and_then(|account| levels.get(account.server.as_str()));
    let level = level.or_else(|| levels.values().next())?.child(own, &path, report);
    Some(AccountConfig { settings: level.settings, commands, ..account? })
}

impl Tree {
    /// Returns the table of a section whose keys are names, if it is a table; creates it if it is missing.
    pub(super) fn table(&mut self, section: &str) -> Option<&mut Map<String, Value>> {
        let table = self.0.entry(section.to_owned());
        let table = table.or_insert_with(|| Value::from(Map::<String, Value>::new()));
        match &mut table.kind {
            ValueKind::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Reads where the state is, without reporting anything.
    fn state(&self, context: &ReadContext<'_>) -> StateConfig {
        let (table, mut unreported) = (self.0.get("state").cloned(), Diagnostics::default());
        state::read(TableReader::new("state".into(), "state", table, &mut unreported), context)
    }

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
        let names: Vec<_> = SECTIONS.into_iter().chain([INCLUDE, TOKEN_DIR]).collect();
        for (key, value) in &self.0 {
            if !SECTIONS.contains(&key.as_str()) {
                report.problems.push(unknown(key.clone(), key, value, "there is no such section", &names));
            }
        }
    }
}
