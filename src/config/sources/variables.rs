//! Keys that environment variables set.

use std::collections::HashMap;

use config::{Map, Value, ValueKind};

use super::files::{INCLUDE, TOKEN_DIR};
use crate::config::{known_keys, problem::Problem, read::SECTIONS};

/// The prefix of every variable that sets a key.
const PREFIX: &str = "MATTERHOST__";

/// The beginning of the prefix, which other variables of ours have too.
const SHORT_PREFIX: &str = "MATTERHOST_";

/// Returns the paths and the values that variables set. Names are matched against those of the files.
pub(super) fn values(
    environment: &HashMap<String, String>,
    files: &Map<String, Value>,
) -> Vec<(Vec<String>, Value)> {
    let entry = |(name, value): (&String, &String)| {
        // Otherwise it would be reported again, as an unknown section.
        if meant(name).is_some() {
            return None;
        }
        let path = name.strip_prefix(PREFIX)?.split("__").map(str::to_lowercase).collect::<Vec<_>>();
        let origin = format!("the variable {name}");
        Some((match_names(path, files), Value::new(Some(&origin), value.clone())))
    };
    let mut values: Vec<_> = environment.iter().filter_map(entry).collect();
    values.sort_by(|a, b| a.0.cmp(&b.0));
    values
}

/// Matches a variable's path with names of the files: `HELP_DESK` means `Help-Desk`, since variables have only
/// capitals and underscores.
fn match_names(mut path: Vec<String>, files: &Map<String, Value>) -> Vec<String> {
    let plain = |name: &str| name.to_lowercase().replace(['-', '.'], "_");
    let mut table = Some(files);
    for part in &mut path {
        let Some(names) = table else { break };
        if let Some(name) = names.keys().find(|name| plain(name) == plain(part)) {
            part.clone_from(name);
        }
        table = names.get(part).and_then(|value| match &value.kind {
            ValueKind::Table(names) => Some(names),
            _ => None,
        });
    }
    path
}

/// Sets the value at a path, and creates the tables around it.
pub(super) fn insert_at(table: &mut Map<String, Value>, path: &[String], value: Value) {
    let [first, rest @ ..] = path else { return };
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return;
    }
    let inner = table.entry(first.clone()).or_insert_with(|| Value::new(None, Map::<String, Value>::new()));
    if !matches!(inner.kind, ValueKind::Table(_)) {
        inner.kind = ValueKind::Table(Map::new());
    }
    if let ValueKind::Table(inner) = &mut inner.kind {
        insert_at(inner, rest, value);
    }
}

/// Reports variables that would set a key if they had one underscore more. Their values are not shown.
pub(super) fn misspelled(environment: &HashMap<String, String>) -> Vec<Problem> {
    let mut problems: Vec<_> = environment.keys().filter_map(|name| Some((name, meant(name)?))).collect();
    problems.sort();
    let problem = |(name, meant): (&String, String)| {
        let message = format!("the variable {name} sets no key");
        Problem::new("", message, format!("did you mean {meant}?"))
    };
    problems.into_iter().map(problem).collect()
}

/// Returns the variable that was probably meant: the section is right, and an underscore beside it is missing.
fn meant(name: &str) -> Option<String> {
    let rest = name.strip_prefix(SHORT_PREFIX)?;
    let has_prefix = rest.starts_with('_');
    let rest = rest.trim_start_matches('_');
    // Without any double underscore, the variable may belong to another program.
    if !has_prefix && !rest.contains("__") {
        return None;
    }
    let first = rest.split("__").next().unwrap_or_default().to_lowercase();
    if SECTIONS.contains(&first.as_str()) || first == TOKEN_DIR || first == INCLUDE {
        let meant = meant_key(rest).or_else(|| (!has_prefix).then(|| rest.to_owned()))?;
        return Some(format!("{PREFIX}{meant}"));
    }
    let is_start = |section: &&str| first.strip_prefix(*section).is_some_and(|key| key.starts_with('_'));
    let section = SECTIONS.into_iter().find(is_start)?;
    let key = rest[section.len()..].trim_start_matches('_');
    Some(format!("{PREFIX}{}__{key}", section.to_uppercase()))
}

/// Returns the variable that was probably meant by `ACCOUNTS__NAME_KEY`, which would replace a whole table.
fn meant_key(rest: &str) -> Option<String> {
    let (section, item) = rest.split_once("__").filter(|(_, item)| !item.contains("__"))?;
    let of_items = format!("{}.NAME.", section.to_lowercase());
    let keys =
        known_keys().into_iter().filter_map(|known| Some(known.key.strip_prefix(&of_items)?.to_uppercase()));
    let name =
        |key: &String| item.strip_suffix(key.as_str())?.strip_suffix('_').filter(|name| !name.is_empty());
    // `TOKEN_FILE` also ends like a key `FILE`.
    let key = keys.filter(|key| name(key).is_some()).max_by_key(String::len)?;
    Some(format!("{section}__{}__{key}", name(&key)?))
}
