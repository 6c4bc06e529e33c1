//! The difference between two configurations, as a plain value: the effect of a reload.
//!
//! It contains names and keys, never values: tokens and secrets are compared but not shown.

mod named;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Config;

/// The difference between two configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigDiff {
    /// The changes, in the order in which they are reported.
    pub changes: Vec<Change>,
}

/// A change of a server, a sink, an account or a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// The kind of item that changed.
    pub kind: ItemKind,
    /// The item's name; for settings, the section's.
    pub name: String,
    /// The kind of change.
    pub status: ChangeStatus,
    /// The keys that differ, if the item changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// The time at which the change takes effect, and its cost.
    pub effect: Effect,
}

/// The kind of item that a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A server.
    Server,
    /// A sink.
    Sink,
    /// An account.
    Account,
    /// A section of settings shared by all accounts.
    Settings,
}

/// The kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeStatus {
    /// The item is new.
    Added,
    /// The item no longer exists.
    Removed,
    /// The item has other values.
    Changed,
}

/// The time at which a change takes effect, and its cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// At once, without interruption.
    Immediate,
    /// At once; the connections or the sink restart.
    Restart,
    /// At each account's next connection; the current ones stay.
    NextConnection,
    /// At the next start of the process.
    NextStart,
}

/// A key that was compared.
struct Compared {
    key: &'static str,
    same: bool,
    effect: Effect,
}

impl ConfigDiff {
    /// Compares the configuration of the running host with a new one.
    pub fn between(old: &Config, new: &Config) -> Self {
        let mut changes = named::servers(&old.servers, &new.servers);
        changes.extend(named::sinks(&old.sinks, &new.sinks));
        changes.extend(named::accounts(old, new));
        changes.extend(
            settings::settings(old, new)
                .into_iter()
                .flat_map(|(section, compared)| changed(ItemKind::Settings, section, &compared)),
        );
        Self { changes }
    }

    /// Returns true if nothing differs.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Returns the keys that differ, as one change for each effect.
fn changed(kind: ItemKind, name: &str, compared: &[Compared]) -> Vec<Change> {
    let effects = [Effect::Immediate, Effect::Restart, Effect::NextConnection, Effect::NextStart];
    let change = |effect: Effect| {
        let differing = compared.iter().filter(|compared| !compared.same && compared.effect == effect);
        let keys: Vec<_> = differing.map(|compared| compared.key.to_owned()).collect();
        (!keys.is_empty()).then(|| Change {
            kind,
            name: name.to_owned(),
            status: ChangeStatus::Changed,
            keys,
            effect,
        })
    };
    effects.into_iter().filter_map(change).collect()
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
            (Effect::Restart, ItemKind::Server) => "; the connections of its accounts restart",
            (Effect::Restart, ItemKind::Account) => "; its connection restarts",
            (Effect::Restart, ItemKind::Sink) => "; it restarts once it has answered its pending events",
            (Effect::Restart, ItemKind::Settings) => "; the sinks that use it restart",
            (Effect::NextConnection, _) => "; it applies from each account's next connection",
            (Effect::NextStart, _) => "; it applies from the next start of the process",
        })
    }
}
