//! Reads a table of the configuration, key by key.
//!
//! Each read gives the key, its default and its bounds; a key that is never read is unknown. The same reads over an
//! empty table list all keys, which a test compares with the documentation.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt::Write as _,
    mem,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use config::{Value, ValueKind};

use super::{
    problem::{Problem, did_you_mean, display_value},
    readable_files::{self, ReadableFile},
    servers::ReadContext,
    sources::{Location, Locations},
    value::ConfigValue,
};

/// The results of the readers.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// Files in directories of tokens that cannot be used. They do not keep the other accounts from running.
    pub(super) left_out: Vec<Problem>,
    /// Files with secrets that others can read, which become warnings.
    pub(super) readable_files: Vec<ReadableFile>,
    pub(super) known: Vec<KnownKey>,
}

impl Diagnostics {
    /// Removes repetitions, and adds the places in the files.
    pub(super) fn complete(&mut self, places: &Locations) {
        self.warnings.extend(readable_files::warnings(mem::take(&mut self.readable_files)));
        for problems in [&mut self.problems, &mut self.warnings, &mut self.left_out] {
            // Many accounts may inherit the same mistake.
            let mut seen = HashSet::new();
            problems.retain(|problem| seen.insert(problem.clone()));
            for problem in problems.iter_mut().filter(|problem| problem.origin.is_none()) {
                if problem.place.is_none() {
                    problem.place = places.around(&problem.key).map(Location::describe);
                }
            }
        }
    }

    /// Reports an unwise value.
    pub(super) fn warn(&mut self, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.warnings.push(Problem::new(key, message, remedy));
    }

    /// Adds a key outside any section.
    pub(super) fn register_root<T: ConfigValue>(&mut self, key: &str) {
        self.known.push(KnownKey { key: key.to_owned(), kind: T::KIND, default: None });
    }
}

/// A key that can be set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownKey {
    /// The key, with `NAME` in place of a chosen name.
    pub key: String,
    /// The kind of its value.
    pub kind: &'static str,
    /// The default; `None` for a required key or one without a default.
    pub default: Option<String>,
}

/// A table that is being read. It holds tokens and therefore has no `Debug`.
pub(super) struct TableReader<'a> {
    path: String,
    shape: &'static str,
    values: BTreeMap<String, Value>,
    read_keys: Vec<&'static str>,
    /// The keys whose values are from another table, and that table's path.
    inherited: BTreeSet<String>,
    inherited_from: &'static str,
    report: &'a mut Diagnostics,
}

impl<'a> TableReader<'a> {
    /// Starts to read the table at `path`. `shape` is the path with `NAME` in place of a chosen name.
    pub(super) fn new(
        path: String,
        shape: &'static str,
        value: Option<Value>,
        report: &'a mut Diagnostics,
    ) -> Self {
        let values = match value.map(|value| value.kind) {
            None | Some(ValueKind::Nil) => BTreeMap::new(),
            Some(ValueKind::Table(values)) => values.into_iter().collect(),
            Some(_) => {
                let remedy = format!("write [{path}] and its keys below");
                report.problems.push(Problem::new(&path, "this is a table, not a value", remedy));
                BTreeMap::new()
            }
        };
        let inherited = BTreeSet::new();
        Self { path, shape, values, read_keys: Vec::new(), inherited, inherited_from: "", report }
    }

    /// Adds the values of another table for keys that are not set. Problems with them are reported at that table.
    pub(super) fn inherit<'v>(
        &mut self,
        table: &'static str,
        values: impl IntoIterator<Item = (&'v String, &'v Value)>,
    ) {
        self.inherited_from = table;
        for (key, value) in values {
            if !self.has(key) {
                self.values.insert(key.clone(), value.clone());
                self.inherited.insert(key.clone());
            }
        }
    }

    /// Changes the text of a key, or the texts of its list.
    pub(super) fn map_texts(&mut self, key: &str, change: &dyn Fn(&str) -> String) {
        if let Some(value) = self.values.get_mut(key) {
            map_texts(value, change);
        }
    }

    /// Returns the values, for a table whose keys are names.
    pub(super) fn into_values(self) -> BTreeMap<String, Value> {
        self.values
    }

    /// Returns the tables by name of a key, which is thereby known.
    pub(super) fn take_tables(&mut self, key: &'static str) -> BTreeMap<String, Value> {
        self.read_keys.push(key);
        let path = self.key(key);
        TableReader::new(path, "", self.values.remove(key), self.report).into_values()
    }

    /// Returns the results, for the readers of tables below this one.
    pub(super) fn report(&mut self) -> &mut Diagnostics {
        self.report
    }

    /// Returns the value of a key, or its default.
    pub(super) fn read<T: ConfigValue>(&mut self, key: &'static str, default: T) -> T {
        self.register::<T>(key, Some(default.show()));
        self.take(key).unwrap_or(default)
    }

    /// Returns the value of a key, or its default, and reports it if it is out of bounds.
    pub(super) fn within<T: ConfigValue + PartialOrd>(
        &mut self,
        key: &'static str,
        default: T,
        bounds: RangeInclusive<T>,
    ) -> T {
        let value = self.read(key, default);
        self.check_bounds(key, &value, &bounds);
        value
    }

    fn check_bounds<T: ConfigValue + PartialOrd>(
        &mut self,
        key: &str,
        value: &T,
        bounds: &RangeInclusive<T>,
    ) {
        if !bounds.contains(value) {
            let message = format!("{} is out of bounds", value.show());
            let remedy = format!("use {} to {}", bounds.start().show(), bounds.end().show());
            self.refuse(key, message, remedy);
        }
    }

    /// Returns the value of an optional key.
    pub(super) fn optional<T: ConfigValue>(&mut self, key: &'static str) -> Option<T> {
        self.register::<T>(key, None);
        self.take(key)
    }

    /// Returns the value of an optional key and reports it if it is out of bounds.
    pub(super) fn optional_within<T: ConfigValue + PartialOrd>(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<T>,
    ) -> Option<T> {
        let value = self.optional(key);
        if let Some(value) = &value {
            self.check_bounds(key, value, &bounds);
        }
        value
    }

    /// Returns the valid value of a key without registering the key as known.
    pub(super) fn peek<T: ConfigValue>(&self, key: &str) -> Option<T> {
        T::read(&self.values.get(key)?.kind)
    }

    /// Returns true if the key has been read, so that it is known.
    pub(super) fn has_read(&self, key: &str) -> bool {
        self.read_keys.contains(&key)
    }

    /// Returns true if the key is set, even to an invalid value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Returns the key's full path.
    pub(super) fn key(&self, key: &str) -> String {
        let path = if self.inherited.contains(key) { self.inherited_from } else { &self.path };
        format!("{path}.{key}")
    }

    /// Returns the value of an optional key as a path. A relative path starts at the directory of the file that sets it.
    pub(super) fn optional_path(&mut self, key: &'static str, context: &ReadContext<'_>) -> Option<PathBuf> {
        self.optional::<PathBuf>(key).map(|path| self.resolve(key, &path, context))
    }

    /// Resolves a relative path that is the value of a key.
    pub(super) fn resolve(&self, key: &str, path: &Path, context: &ReadContext<'_>) -> PathBuf {
        let is_from_file = self.values.get(key).is_none_or(|value| value.origin().is_none());
        let place = context.places.around(&self.key(key)).filter(|_| is_from_file);
        place.map_or_else(|| context.directory.join(path), |place| place.resolve(path))
    }

    /// Reports an invalid value.
    pub(super) fn refuse(&mut self, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        let problem = self.problem(key, message, remedy);
        self.report.problems.push(problem);
    }

    /// Reports an unwise value.
    pub(super) fn warn(&mut self, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        let problem = self.problem(key, message, remedy);
        self.report.warnings.push(problem);
    }

    /// Adds a file with a secret that others can read.
    pub(super) fn add_readable_file(&mut self, file: ReadableFile) {
        self.report.readable_files.push(file);
    }

    /// Turns the problems since there were so many into reasons for which the account is not hosted as configured.
    pub(super) fn excuse(&mut self, since: usize, consequence: &str) {
        let excused = self.report.problems.drain(since..);
        self.report.left_out.extend(excused.map(|problem| problem.with_consequence(consequence)));
    }

    /// Returns the number of problems so far.
    pub(super) fn problem_count(&self) -> usize {
        self.report.problems.len()
    }

    /// Reports a problem of the whole table.
    pub(super) fn refuse_table(&mut self, message: impl Into<String>, remedy: impl Into<String>) {
        self.report.problems.push(Problem::new(&self.path, message, remedy));
    }

    /// Reports the keys that were not read.
    pub(super) fn finish(self) {
        for (key, value) in &self.values {
            if !self.read_keys.contains(&key.as_str()) {
                let message = "there is no such key";
                let path = self.key(key);
                self.report.problems.push(unknown(path, key, value, message, &self.read_keys));
            }
        }
    }

    pub(super) fn problem(
        &self,
        key: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Problem {
        let origin = self.values.get(key).and_then(Value::origin).map(str::to_owned);
        Problem { origin, ..Problem::new(self.key(key), message, remedy) }
    }

    fn register<T: ConfigValue>(&mut self, key: &'static str, default: Option<String>) {
        self.read_keys.push(key);
        let key = format!("{}.{key}", self.shape);
        if !self.report.known.iter().any(|known| known.key == key) {
            self.report.known.push(KnownKey { key, kind: T::KIND, default });
        }
    }

    fn take<T: ConfigValue>(&mut self, key: &str) -> Option<T> {
        let value = &self.values.get(key)?.kind;
        let read = T::read(value);
        if read.is_none() {
            let message = match value {
                // No value of an account is shown, as it may be a misplaced token.
                ValueKind::String(text) if !self.shape.starts_with("account") => {
                    format!("expected {}, found {}", T::KIND, display_value(text))
                }
                _ => format!("expected {}", T::KIND),
            };
            self.refuse(key, message, T::HINT);
        }
        read
    }
}

/// Changes a text, or each text of a list.
pub(super) fn map_texts(value: &mut Value, change: &dyn Fn(&str) -> String) {
    match &mut value.kind {
        ValueKind::String(text) => *text = change(text),
        ValueKind::Array(values) => values.iter_mut().for_each(|value| map_texts(value, change)),
        _ => {}
    }
}

/// Returns the problem of an unknown key, with a similar name if there is one. The value is not shown.
pub(super) fn unknown(path: String, key: &str, value: &Value, message: &str, names: &[&str]) -> Problem {
    let mut remedy = String::new();
    if let Some(meant) = did_you_mean(key, names.iter().copied()) {
        let _ = write!(remedy, "did you mean {meant}?");
    } else {
        let _ = write!(remedy, "remove it; the known names are {}", names.join(", "));
    }
    Problem { origin: value.origin().map(str::to_owned), ..Problem::new(path, message, remedy) }
}
