//! Sinks with placeholders: one instance for each account or server that uses them.

use std::{collections::BTreeMap, sync::Arc};

use config::{Map, Value, ValueKind};

use super::{STANDARD_OUTPUT, SinkConfig};
use crate::config::{
    AccountConfig,
    key_reader::{Diagnostics, TableReader, map_texts},
    servers::ReadContext,
    template::{self, Names, Scope},
};

/// The keys that may have placeholders.
const TEMPLATED: [&str; 6] = ["bot", "command", "dir", "path", "secret_file", "url"];

/// The separator between the name of a sink and the account or server of its instance. No name contains it.
pub(in crate::config) const INSTANCE: char = '@';

/// A table of `[sinks.NAME]` that is not read yet.
#[derive(Clone)]
pub(in crate::config) struct SinkTable {
    name: String,
    checked: Option<Arc<str>>,
    value: Value,
    scope: Scope,
}

impl SinkTable {
    pub(in crate::config) fn new(name: String, checked: Option<Arc<str>>, value: Value) -> Self {
        let scope = match &value.kind {
            ValueKind::Table(table) => scope(table),
            _ => Scope::Shared,
        };
        Self { name, checked, value, scope }
    }

    /// Returns the table of the sink that is used if none is configured.
    pub(in crate::config) fn default_stdout() -> Self {
        let table = Map::from([("type".to_owned(), Value::from(STANDARD_OUTPUT))]);
        Self::new(STANDARD_OUTPUT.to_owned(), Some(STANDARD_OUTPUT.into()), table.into())
    }

    /// Returns the name by which accounts use it.
    pub(in crate::config) fn name(&self) -> &str {
        &self.name
    }

    /// Returns true if it has an instance for each account or server.
    pub(in crate::config) fn is_template(&self) -> bool {
        self.scope != Scope::Shared
    }

    /// Returns true if the sink with this name is one of its instances.
    pub(in crate::config) fn has_instance(&self, sink: &str) -> bool {
        sink.split_once(INSTANCE).is_some_and(|(template, _)| *template == self.name)
    }

    /// Reads the sink, or an instance for each account or server that uses it. The accounts then name the instances.
    pub(in crate::config) fn read(
        self,
        accounts: &mut [AccountConfig],
        context: &ReadContext<'_>,
        report: &mut Diagnostics,
    ) -> Vec<SinkConfig> {
        if self.scope == Scope::Shared {
            return self
                .read_one(self.checked.clone(), self.value.clone(), context, report)
                .into_iter()
                .collect();
        }
        let mut instances: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        for account in accounts {
            let names = Names { account: account.name.as_str(), server: account.server.as_str() };
            let sinks = account.sinks.iter_mut().filter(|sink| ***sink == *self.name);
            for sink in sinks {
                let Some(of) = names.of_scope(self.scope) else { continue };
                let instance: Arc<str> = format!("{}{INSTANCE}{of}", self.name).into();
                *sink = Arc::clone(&instance);
                instances.entry(instance).or_insert_with(|| self.fill(names));
            }
        }
        if instances.is_empty() {
            // Its mistakes are reported although it has no instance.
            return self
                .read_one(self.checked.clone(), self.value.clone(), context, report)
                .into_iter()
                .collect();
        }
        let read = |(instance, value)| {
            self.read_one(self.checked.as_ref().map(|_| instance), value, context, report)
        };
        instances.into_iter().filter_map(read).collect()
    }

    fn read_one(
        &self,
        name: Option<Arc<str>>,
        value: Value,
        context: &ReadContext<'_>,
        report: &mut Diagnostics,
    ) -> Option<SinkConfig> {
        let section = TableReader::new(format!("sinks.{}", self.name), "sinks.NAME", Some(value), report);
        super::read(name, section, context)
    }

    fn fill(&self, names: Names<'_>) -> Value {
        let mut value = self.value.clone();
        if let ValueKind::Table(table) = &mut value.kind {
            for key in TEMPLATED {
                if let Some(value) = table.get_mut(key) {
                    map_texts(value, &|text| names.fill(text));
                }
            }
        }
        value
    }
}

fn scope(table: &Map<String, Value>) -> Scope {
    let values = TEMPLATED.into_iter().filter_map(|key| table.get(key));
    values.map(template::scope).max().unwrap_or(Scope::Shared)
}
