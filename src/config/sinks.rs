//! `[sinks.NAME]`: the destinations of events. Each sink has a type, and each type has its own keys.

mod attempts;
mod bot;
mod exec;
mod file;
mod filter;
mod nats;
mod secret;
mod templates;
mod webhook;

pub use attempts::AttemptLimits;
pub use bot::BotConfig;
pub use exec::ExecConfig;
pub use file::FileConfig;
pub use filter::{ChannelType, FilterConfig, Recovered};
pub use nats::NatsConfig;
pub use secret::{Secret, Secrets};
pub(super) use templates::SinkTable;
pub use webhook::{PauseScope, WebhookConfig};

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use config::{Map, Value, ValueKind};

use super::{
    AccountConfig, Problem,
    key_reader::{Diagnostics, TableReader},
    servers::ReadContext,
    value::ConfigValue,
};

/// The end of the name of the file with the dead letters of an interrupted retry, before `.jsonl`.
pub(crate) const INTERRUPTED_RETRY: &str = ".retrying";

/// The name of the default sink.
const STANDARD_OUTPUT: &str = "stdout";

/// A sink that accounts can use.
#[derive(Debug, Clone)]
pub struct SinkConfig {
    /// The name; unique in the host.
    pub name: Arc<str>,
    /// The type, with its settings.
    pub kind: SinkKind,
    /// The events that the sink accepts.
    pub filter: FilterConfig,
    /// True if events count as delivered without this sink.
    pub best_effort: bool,
}

/// The type of a sink, with its settings.
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
    /// Messages in a stream of NATS.
    Nats(Box<NatsConfig>),
    /// Bots in Rust that the program was built with.
    Bot(BotConfig),
}

impl SinkKind {
    /// Returns true if the bot is shown as typing while the handler works.
    pub fn shows_typing(&self) -> bool {
        match self {
            Self::Webhook(webhook) => webhook.typing,
            Self::Exec(exec) => exec.typing,
            Self::Bot(bot) => bot.typing,
            Self::Stdout | Self::File(_) | Self::Nats(_) => false,
        }
    }

    /// Returns true if its far side can reject events, which are then kept as dead letters.
    pub fn keeps_dead_letters(&self) -> bool {
        match self {
            Self::Webhook(_) | Self::Exec(_) | Self::Nats(_) | Self::Bot(_) => true,
            Self::Stdout | Self::File(_) => false,
        }
    }

    /// Returns the value of `type`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Webhook(_) => "webhook",
            Self::Exec(_) => "exec",
            Self::File(_) => "file",
            Self::Nats(_) => "nats",
            Self::Bot(_) => "bot",
        }
    }
}

/// The value of `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Stdout,
    Webhook,
    Exec,
    File,
    Nats,
    Bot,
}

const TYPES: [(&str, Type); 6] = [
    ("stdout", Type::Stdout),
    ("webhook", Type::Webhook),
    ("exec", Type::Exec),
    ("file", Type::File),
    ("nats", Type::Nats),
    ("bot", Type::Bot),
];

impl SinkConfig {
    /// Returns true if both sinks differ in their filters at most.
    pub fn same_worker_as(&self, other: &Self) -> bool {
        (&self.name, &self.kind, self.best_effort) == (&other.name, &other.kind, other.best_effort)
    }

    /// Returns the number of files that the sink may have open at once.
    pub(super) fn open_files(&self) -> usize {
        /// The thread's runtime and the dead-letter file.
        const THREAD: usize = 4;
        match &self.kind {
            // The dead-letter file.
            SinkKind::Bot(_) => 1,
            SinkKind::Stdout => 0,
            SinkKind::Webhook(webhook) => webhook.concurrency + THREAD,
            // Three pipes; both ends are open while the child is spawned.
            SinkKind::Exec(_) => 6 + THREAD,
            SinkKind::File(_) => 2,
            // One connection, and a new one while it is replaced.
            SinkKind::Nats(_) => 2 + THREAD,
        }
    }
}

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
        Some(Type::Nats) => nats::read(&mut section, context).map(|nats| SinkKind::Nats(nats.into())),
        Some(Type::Bot) => bot::read(name.as_deref(), &mut section, context).map(SinkKind::Bot),
        None => {
            if !section.has("type") {
                section.refuse("type", "it is missing", Type::HINT);
            }
            // The known keys depend on the type.
            return None;
        }
    };
    let filter = filter::read(&mut section);
    let best_effort = section.read("best_effort", false);
    section.finish();
    Some(SinkConfig { name: name?, kind: kind?, filter: filter?, best_effort })
}

/// Refuses file sinks that share a path: each would overwrite the other's output.
pub(super) fn shared_files(sinks: &[SinkConfig]) -> Vec<Problem> {
    let mut writers = BTreeMap::new();
    let mut problems = Vec::new();
    for sink in sinks {
        let SinkKind::File(FileConfig { path, .. }) = &sink.kind else { continue };
        if let Some(first) = writers.insert(path, &sink.name) {
            let message = format!("sink {first} also writes this file");
            problems.push(Problem::new(format!("sinks.{}.path", sink.name), message, "use another file"));
        }
    }
    problems
}

/// Refuses sinks whose dead letters would be those of another: the file with the letters of a retry that was interrupted in an
/// older version has the name of its sink and this end.
pub(super) fn shared_dead_letters(sinks: &[SinkConfig]) -> Vec<Problem> {
    let kept = sinks.iter().filter(|sink| sink.kind.keeps_dead_letters());
    let taken = kept.filter_map(|sink| Some((sink, sink.name.strip_suffix(INTERRUPTED_RETRY)?)));
    let problem = |(sink, other): (&SinkConfig, &str)| {
        let message = format!("the file of its dead letters would be taken for one of sink {other}");
        let remedy = format!("use a name that does not end with {INTERRUPTED_RETRY}");
        Problem::new(format!("sinks.{}", sink.name), message, remedy)
    };
    taken.map(problem).collect()
}

/// Warns of sinks without events, and of accounts whose sinks are all `best_effort`.
pub(super) fn warn_unused(sinks: &[SinkConfig], accounts: &[AccountConfig], report: &mut Diagnostics) {
    let named: HashSet<_> = accounts.iter().flat_map(|account| &account.sinks).collect();
    for sink in sinks.iter().filter(|sink| !named.contains(&sink.name) && !accounts.is_empty()) {
        let key = format!("sinks.{}", sink.name);
        let remedy = format!("add {:?} to the sinks of an account, or remove it", &*sink.name);
        report.warnings.push(Problem::new(key, "no account names it, so it receives nothing", remedy));
    }
    let best_effort = |name: &Arc<str>| sinks.iter().any(|sink| sink.name == *name && sink.best_effort);
    for account in accounts.iter().filter(|account| account.sinks.iter().all(best_effort)) {
        let key = format!("accounts.{}.sinks", account.name);
        let message = "all of them are best_effort, so an event counts as delivered before any sink has it";
        report.warnings.push(Problem::new(key, message, "add one that is not"));
    }
}

/// Returns a section with a minimal sink of each type, to list all keys.
pub(super) fn one_per_type() -> Value {
    let sink = |(name, _): (&str, Type)| {
        (name.to_owned(), Value::from(Map::from([("type".to_owned(), Value::from(name))])))
    };
    TYPES.into_iter().map(sink).collect::<Map<_, _>>().into()
}

impl ConfigValue for Type {
    const KIND: &'static str = "stdout, webhook, exec, file, nats or bot";
    const HINT: &'static str = "write stdout, webhook, exec, file, nats or bot";

    fn read(value: &ValueKind) -> Option<Self> {
        let name = String::read(value)?;
        TYPES.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind)
    }

    fn show(&self) -> String {
        TYPES.into_iter().find(|(_, kind)| kind == self).map(|(name, _)| name.to_owned()).unwrap_or_default()
    }
}
