//! Settings that a server or an account has for itself: `[servers.NAME.health]`, `[accounts.NAME.health]` and the like.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use config::{Map, Value, ValueKind};
use matterhost_actors::hosting::AccountSettings;

use super::{
    catch_up, delivery, health,
    key_reader::{Diagnostics, KnownKey, TableReader},
    problem::Problem,
    replies, restart,
};

/// The sections whose settings may differ between accounts.
const SECTIONS: [&str; 5] = ["catch_up", "delivery", "health", "replies", "restart"];

/// The key that holds for a whole host: a server has one loop guard for all accounts.
const SHARED: (&str, &str) = ("replies", "loop_limit");

/// The sections in one table.
pub(super) type OwnSections = BTreeMap<&'static str, Value>;

/// The settings at one level: the host, a server, or an account.
#[derive(Clone)]
pub(super) struct Level {
    tables: BTreeMap<&'static str, Map<String, Value>>,
    /// The settings, if they differ from the host's.
    pub(super) settings: Option<Arc<AccountSettings>>,
    /// The problems of the tables, which the levels below do not repeat: section and key, and message.
    known_problems: BTreeSet<(String, String)>,
}

/// Takes the sections out of a table, before its other keys are read.
pub(super) fn take(table: &mut Value) -> OwnSections {
    let ValueKind::Table(table) = &mut table.kind else { return OwnSections::new() };
    SECTIONS.into_iter().filter_map(|section| Some((section, table.remove(section)?))).collect()
}

/// Registers the sections of a table as known keys.
pub(super) fn register(shape: &str, report: &mut Diagnostics) {
    let key = |section| KnownKey { key: format!("{shape}.{section}"), kind: "section", default: None };
    report.known.extend(SECTIONS.into_iter().map(key));
}

impl Level {
    /// Returns the level of the host. Its sections are read, and their problems reported, elsewhere.
    pub(super) fn host(tree: &BTreeMap<String, Value>) -> Self {
        let table = |section: &'static str| match &tree.get(section)?.kind {
            ValueKind::Table(table) => Some((section, table.clone())),
            _ => None,
        };
        let tables = SECTIONS.into_iter().filter_map(table).collect();
        let host = Self { tables, settings: None, known_problems: BTreeSet::new() };
        let (_, report) = host.read("");
        Self { known_problems: report.problems.iter().map(|problem| identity(problem, "")).collect(), ..host }
    }

    /// Returns the level below, whose table at `path` has these sections.
    pub(super) fn child(&self, own: OwnSections, path: &str, report: &mut Diagnostics) -> Self {
        if own.is_empty() {
            return self.clone();
        }
        let mut level = self.clone();
        for (section, value) in own {
            let ValueKind::Table(values) = value.kind else {
                let remedy = format!("write [{path}.{section}] and its keys below");
                let problem =
                    Problem::new(format!("{path}.{section}"), "this is a table, not a value", remedy);
                report.problems.push(problem);
                continue;
            };
            if section == SHARED.0 && values.contains_key(SHARED.1) {
                let message = "it holds for all accounts of the host";
                let key = format!("{path}.{section}.{}", SHARED.1);
                report.problems.push(Problem::new(key, message, format!("set it in [{section}]")));
            }
            level.tables.entry(section).or_default().extend(values);
        }
        let (settings, found) = level.read(path);
        for problem in found.problems {
            if level.known_problems.insert(identity(&problem, path)) {
                report.problems.push(problem);
            }
        }
        report.warnings.extend(found.warnings);
        Self { settings: Some(Arc::new(settings)), ..level }
    }

    fn read(&self, path: &str) -> (AccountSettings, Diagnostics) {
        let mut report = Diagnostics::default();
        let settings = AccountSettings {
            restart: restart::read(self.section(path, "restart", &mut report)),
            health: health::read(self.section(path, "health", &mut report)),
            delivery: delivery::read(self.section(path, "delivery", &mut report)),
            catch_up: catch_up::read(self.section(path, "catch_up", &mut report)),
            replies: replies::read(self.section(path, "replies", &mut report)),
        };
        (settings, report)
    }

    fn section<'a>(&self, path: &str, name: &'static str, report: &'a mut Diagnostics) -> TableReader<'a> {
        let table = self.tables.get(name).cloned().map(Value::from);
        TableReader::new(format!("{path}.{name}"), name, table, report)
    }
}

/// Returns what makes a problem the same at each level.
fn identity(problem: &Problem, path: &str) -> (String, String) {
    let key = problem.key.strip_prefix(path).unwrap_or(&problem.key);
    (key.to_owned(), problem.message.clone())
}
