//! Reads one table of the configuration, key by key.
//!
//! Each read says its key, its default and its bounds; what was never asked for is an unknown key. The same reads
//! over an empty table list every key there is, which is what the documentation is held to.

use std::{collections::BTreeMap, fmt::Write as _, ops::RangeInclusive};

use config::{Value, ValueKind};

use super::{
    problem::{Problem, did_you_mean, shown},
    value::ConfigValue,
};

/// What the readers found: everything wrong, everything unwise, and every key they know.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    pub(super) known: Vec<KnownKey>,
}

/// A key that can be set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownKey {
    /// The key, with `NAME` for what an operator chooses.
    pub key: String,
    /// The kind of its value.
    pub kind: &'static str,
    /// Its default; `None` for one that is left out by default, or must be given.
    pub default: Option<String>,
}

/// One table that is being read. It holds tokens: it has no `Debug`.
pub(super) struct TableReader<'a> {
    path: String,
    shape: &'static str,
    values: BTreeMap<String, Value>,
    asked: Vec<&'static str>,
    report: &'a mut Diagnostics,
}

impl<'a> TableReader<'a> {
    /// Begins to read the table at `path`; `shape` is the path with `NAME` for what an operator chooses.
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
        Self { path, shape, values, asked: Vec::new(), report }
    }

    /// The values themselves, for a table whose keys are names.
    pub(super) fn into_values(self) -> BTreeMap<String, Value> {
        self.values
    }

    /// The value of a key, or its default.
    pub(super) fn read<T: ConfigValue>(&mut self, key: &'static str, default: T) -> T {
        self.know::<T>(key, Some(default.show()));
        self.take(key).unwrap_or(default)
    }

    /// The value of a key that has bounds, or its default.
    pub(super) fn within<T: ConfigValue + PartialOrd>(
        &mut self,
        key: &'static str,
        default: T,
        bounds: RangeInclusive<T>,
    ) -> T {
        let value = self.read(key, default);
        self.hold_within(key, &value, &bounds);
        value
    }

    fn hold_within<T: ConfigValue + PartialOrd>(&mut self, key: &str, value: &T, bounds: &RangeInclusive<T>) {
        if !bounds.contains(value) {
            let what = format!("{} is out of bounds", value.show());
            let remedy = format!("take {} to {}", bounds.start().show(), bounds.end().show());
            self.refuse(key, what, remedy);
        }
    }

    /// The value of a key that may be left out.
    pub(super) fn optional<T: ConfigValue>(&mut self, key: &'static str) -> Option<T> {
        self.know::<T>(key, None);
        self.take(key)
    }

    /// The value of a key that has bounds and may be left out.
    pub(super) fn optional_within<T: ConfigValue + PartialOrd>(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<T>,
    ) -> Option<T> {
        let value = self.optional(key);
        if let Some(value) = &value {
            self.hold_within(key, value, &bounds);
        }
        value
    }

    /// The value of a key that somebody else reads, where it is good.
    pub(super) fn peek<T: ConfigValue>(&self, key: &str) -> Option<T> {
        T::read(&self.values.get(key)?.kind)
    }

    /// Whether a key was given, well or badly.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The key's whole path.
    pub(super) fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// Takes note that a key's value is wrong.
    pub(super) fn refuse(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let problem = self.problem(key, what, remedy);
        self.report.problems.push(problem);
    }

    /// Takes note that a key's value is unwise.
    pub(super) fn warn(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let problem = self.problem(key, what, remedy);
        self.report.warnings.push(problem);
    }

    /// Takes note that the table as a whole is wrong.
    pub(super) fn refuse_table(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.report.problems.push(Problem::new(&self.path, what, remedy));
    }

    /// Refuses what nobody asked for.
    pub(super) fn finish(self) {
        for (key, value) in &self.values {
            if !self.asked.contains(&key.as_str()) {
                let what = "there is no such key";
                let path = format!("{}.{key}", self.path);
                self.report.problems.push(unknown(path, key, value, what, &self.asked));
            }
        }
    }

    fn problem(&self, key: &str, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
        let origin = self.values.get(key).and_then(Value::origin).map(str::to_owned);
        Problem { origin, ..Problem::new(self.key(key), what, remedy) }
    }

    fn know<T: ConfigValue>(&mut self, key: &'static str, default: Option<String>) {
        self.asked.push(key);
        let key = format!("{}.{key}", self.shape);
        if !self.report.known.iter().any(|known| known.key == key) {
            self.report.known.push(KnownKey { key, kind: T::KIND, default });
        }
    }

    fn take<T: ConfigValue>(&mut self, key: &str) -> Option<T> {
        let value = &self.values.get(key)?.kind;
        let read = T::read(value);
        if read.is_none() {
            let what = match value {
                // A token in the wrong place, or an account's own: nothing of an account's values is shown.
                ValueKind::String(text) if self.shape != "accounts.NAME" => {
                    format!("{} is no {}", shown(text), T::KIND)
                }
                _ => format!("this is no {}", T::KIND),
            };
            self.refuse(key, what, T::HINT);
        }
        read
    }
}

/// A key that there is not, with the name that may have been meant. Its value is not shown.
pub(super) fn unknown(path: String, key: &str, value: &Value, what: &str, names: &[&str]) -> Problem {
    let mut remedy = String::new();
    if let Some(meant) = did_you_mean(key, names.iter().copied()) {
        let _ = write!(remedy, "did you mean {meant}?");
    } else {
        let _ = write!(remedy, "take it out; there are {}", names.join(", "));
    }
    Problem { origin: value.origin().map(str::to_owned), ..Problem::new(path, what, remedy) }
}
