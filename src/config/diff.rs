//! What differs between two configurations, as a plain value: what a reload would do.
//!
//! Only names and keys are part of it, never a value: tokens and secrets are compared, and not shown.

mod named;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Config;

/// What differs between two configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigDiff {
    /// Each change, in the order in which they are told.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// What it is about.
    pub kind: ItemKind,
    /// Its name; of settings the section's.
    pub name: String,
    /// What becomes of it.
    pub status: ChangeStatus,
    /// The keys that differ, where it changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// When it holds, and what that costs.
    pub effect: Effect,
}

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A server.
    Server,
    /// A sink.
    Sink,
    /// An account.
    Account,
    /// What is set for all.
    Settings,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeStatus {
    /// It is there for the first time.
    Added,
    /// It is there no more.
    Removed,
    /// It is another.
    Changed,
}

/// When a change holds, and what that costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// At once, and nothing ends for it.
    Immediate,
    /// At once: connections, or the sink, begin anew.
    Restart,
    /// From each account's next connection on; none ends for it.
    NextConnection,
    /// From the next start of the process on.
    NextStart,
}

/// A key that was compared.
struct Compared {
    key: &'static str,
    same: bool,
    effect: Effect,
}

impl ConfigDiff {
    /// What has to change for a host with the one to be as the other says.
    pub fn between(old: &Config, new: &Config) -> Self {
        let mut changes = named::servers(&old.servers, &new.servers);
        changes.extend(named::sinks(&old.sinks, &new.sinks));
        changes.extend(named::accounts(&old.accounts, &new.accounts));
        changes.extend(
            settings::settings(old, new)
                .into_iter()
                .flat_map(|(section, compared)| changed(ItemKind::Settings, section, &compared)),
        );
        Self { changes }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// The keys that differ, a change for each effect that they have.
fn changed(kind: ItemKind, name: &str, compared: &[Compared]) -> Vec<Change> {
    let effects = [Effect::Immediate, Effect::Restart, Effect::NextConnection, Effect::NextStart];
    let with = |effect: Effect| {
        let differ = compared.iter().filter(|compared| !compared.same && compared.effect == effect);
        let keys: Vec<_> = differ.map(|compared| compared.key.to_owned()).collect();
        (!keys.is_empty()).then(|| Change {
            kind,
            name: name.to_owned(),
            status: ChangeStatus::Changed,
            keys,
            effect,
        })
    };
    effects.into_iter().filter_map(with).collect()
}

impl fmt::Display for ConfigDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing has changed");
        }
        for (at, change) in self.changes.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{change}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, status, keys, effect } = self;
        match kind {
            ItemKind::Server => write!(f, "server {name}")?,
            ItemKind::Sink => write!(f, "sink {name}")?,
            ItemKind::Account => write!(f, "account {name}")?,
            ItemKind::Settings => write!(f, "[{name}]")?,
        }
        match status {
            ChangeStatus::Added => return f.write_str(" is added"),
            ChangeStatus::Removed => return f.write_str(" is removed"),
            ChangeStatus::Changed => write!(f, ": {} changed", keys.join(", "))?,
        }
        f.write_str(match (effect, kind) {
            (Effect::Immediate, _) => "",
            (Effect::Restart, ItemKind::Server) => "; the connections of its accounts begin anew",
            (Effect::Restart, ItemKind::Account) => "; its connection begins anew",
            (Effect::Restart, ItemKind::Sink) => "; it begins anew, once it has answered what it has",
            (Effect::Restart, ItemKind::Settings) => "; the sinks that it is for begin anew",
            (Effect::NextConnection, _) => "; it holds from each account's next connection on",
            (Effect::NextStart, _) => "; it holds from the next start of the process on",
        })
    }
}
