//! Placeholders in values: `{account}` and `{server}` stand for names.

use config::{Value, ValueKind};

const ACCOUNT: &str = "{account}";
const SERVER: &str = "{server}";

/// The names that the placeholders stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) account: &'a str,
    pub(super) server: &'a str,
}

/// The items that a value differs for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// It has no placeholder.
    Shared,
    /// It differs between servers.
    Server,
    /// It differs between accounts.
    Account,
}

impl Names<'_> {
    /// Replaces the placeholders of a text. Other text in braces stays, such as JSON in an argument.
    pub(super) fn fill(self, text: &str) -> String {
        text.replace(ACCOUNT, self.account).replace(SERVER, self.server)
    }

    /// Returns the name that distinguishes a value of this scope.
    pub(super) fn of_scope(&self, scope: Scope) -> Option<&str> {
        match scope {
            Scope::Shared => None,
            Scope::Server => Some(self.server),
            Scope::Account => Some(self.account),
        }
    }
}

/// Returns the widest scope of the texts in a value.
pub(super) fn scope(value: &Value) -> Scope {
    match &value.kind {
        ValueKind::String(text) if text.contains(ACCOUNT) => Scope::Account,
        ValueKind::String(text) if text.contains(SERVER) => Scope::Server,
        ValueKind::Array(values) => values.iter().map(scope).max().unwrap_or(Scope::Shared),
        _ => Scope::Shared,
    }
}
