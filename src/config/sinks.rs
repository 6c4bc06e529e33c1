//! `[sinks.NAME]`: where events go. A sink has a type, and each type has keys of its own.

mod exec;
mod file;
mod filter;
mod secret;
mod webhook;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use config::{Map, Value, ValueKind};

use super::{
    AccountConfig, Problem,
    servers::ReadContext,
    table::{Diagnostics, TableReader},
    value::ConfigValue,
};

pub use exec::ExecConfig;
pub use file::FileConfig;
pub use filter::{ChannelType, FilterConfig};
pub use secret::{Secret, Secrets};
pub use webhook::WebhookConfig;

/// The name of the sink that there is when none is configured.
const STANDARD_OUTPUT: &str = "stdout";

/// A sink that accounts may name.
#[derive(Debug, Clone)]
pub struct SinkConfig {
    /// Its name; unique in the host.
    pub name: Arc<str>,
    /// What it is.
    pub kind: SinkKind,
    /// Which events it takes.
    pub filter: FilterConfig,
    /// Whether an event counts as delivered without it.
    pub best_effort: bool,
}

/// What a sink is.
#[derive(Debug, Clone, PartialEq)]
pub enum SinkKind {
    /// Lines on standard output.
    Stdout,
    /// HTTP requests to a handler.
    Webhook(Box<WebhookConfig>),
    /// A child process that reads lines and answers them.
    Exec(ExecConfig),
    /// Lines in files.
    File(FileConfig),
}

impl SinkKind {
    /// Whether its handler may refuse an event for good.
    pub fn keeps_dead_letters(&self) -> bool {
        match self {
            Self::Webhook(_) | Self::Exec(_) => true,
            Self::Stdout | Self::File(_) => false,
        }
    }

    /// What stands behind `type`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Webhook(_) => "webhook",
            Self::Exec(_) => "exec",
            Self::File(_) => "file",
        }
    }
}

/// What can stand behind `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Stdout,
    Webhook,
    Exec,
    File,
}

const TYPES: [(&str, Type); 4] =
    [("stdout", Type::Stdout), ("webhook", Type::Webhook), ("exec", Type::Exec), ("file", Type::File)];

impl SinkConfig {
    /// The sink that there is when none is configured.
    pub(super) fn default_stdout() -> Self {
        let filter = FilterConfig::default();
        Self { name: STANDARD_OUTPUT.into(), kind: SinkKind::Stdout, filter, best_effort: false }
    }

    /// Whether it works as the other does, whatever each of them takes.
    pub fn same_worker_as(&self, other: &Self) -> bool {
        (&self.name, &self.kind, self.best_effort) == (&other.name, &other.kind, other.best_effort)
    }

    /// How many files it may have open at once.
    pub(super) fn open_files(&self) -> usize {
        /// A thread's own runtime, and a file of dead letters.
        const THREAD: usize = 4;
        match &self.kind {
            SinkKind::Stdout => 0,
            SinkKind::Webhook(webhook) => webhook.concurrency + THREAD,
            // Three pipes, both ends while the child is made.
            SinkKind::Exec(_) => 6 + THREAD,
            SinkKind::File(_) => 2,
        }
    }
}

/// Reads one sink.
pub(super) fn read(
    name: Option<Arc<str>>,
    mut section: TableReader<'_>,
    context: &ReadContext<'_>,
) -> Option<SinkConfig> {
    let kind = match section.optional::<Type>("type") {
        Some(Type::Stdout) => Some(SinkKind::Stdout),
        Some(Type::Webhook) => {
            webhook::read(&mut section, context).map(|webhook| SinkKind::Webhook(webhook.into()))
        }
        Some(Type::Exec) => exec::read(&mut section, context).map(SinkKind::Exec),
        Some(Type::File) => file::read(&mut section, context).map(SinkKind::File),
        None => {
            if !section.has("type") {
                section.refuse("type", "it is missing", Type::HINT);
            }
            // Which keys there may be is not known.
            return None;
        }
    };
    let filter = filter::read(&mut section);
    let best_effort = section.read("best_effort", false);
    section.finish();
    Some(SinkConfig { name: name?, kind: kind?, filter: filter?, best_effort })
}

/// Refuses files that two sinks write: each would cut off what the other is writing.
pub(super) fn shared_files(sinks: &[SinkConfig]) -> Vec<Problem> {
    let mut writers = BTreeMap::new();
    let mut problems = Vec::new();
    for sink in sinks {
        let SinkKind::File(FileConfig { path, .. }) = &sink.kind else { continue };
        if let Some(first) = writers.insert(path, &sink.name) {
            let what = format!("sink {first} writes this file, too");
            problems.push(Problem::new(format!("sinks.{}.path", sink.name), what, "name another file"));
        }
    }
    problems
}

/// What is not wrong but cannot be meant: a sink without events, and events that nobody must take.
pub(super) fn warn_unused(sinks: &[SinkConfig], accounts: &[AccountConfig], report: &mut Diagnostics) {
    let named: HashSet<_> = accounts.iter().flat_map(|account| &account.sinks).collect();
    for sink in sinks.iter().filter(|sink| !named.contains(&sink.name) && !accounts.is_empty()) {
        let key = format!("sinks.{}", sink.name);
        let remedy = format!("add {:?} to the sinks of an account, or take it out", &*sink.name);
        report.warnings.push(Problem::new(key, "no account names it, so nothing goes there", remedy));
    }
    let best_effort = |name: &Arc<str>| sinks.iter().any(|sink| sink.name == *name && sink.best_effort);
    for account in accounts.iter().filter(|account| account.sinks.iter().all(best_effort)) {
        let key = format!("accounts.{}.sinks", account.name);
        let what = "each of them is best_effort: an event counts as delivered before anybody has it";
        report.warnings.push(Problem::new(key, what, "name one that is not"));
    }
}

/// A section with a sink of each type, and nothing but the type: what all keys are read from.
pub(super) fn one_of_each() -> Value {
    let sink = |(name, _): (&str, Type)| {
        (name.to_owned(), Value::from(Map::from([("type".to_owned(), Value::from(name))])))
    };
    TYPES.into_iter().map(sink).collect::<Map<_, _>>().into()
}

impl ConfigValue for Type {
    const KIND: &'static str = "stdout, webhook, exec or file";
    const HINT: &'static str = "write stdout, webhook, exec or file";

    fn read(value: &ValueKind) -> Option<Self> {
        let name = String::read(value)?;
        TYPES.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind)
    }

    fn show(&self) -> String {
        TYPES.into_iter().find(|(_, kind)| kind == self).map(|(name, _)| name.to_owned()).unwrap_or_default()
    }
}
