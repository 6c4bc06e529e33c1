//! The accounts of the running configuration, for those that are asked about them.

use std::{collections::HashMap, sync::Arc};

use matterhost_actors::model::AccountName;
use parking_lot::RwLock;

use crate::config::AccountConfig;

/// The accounts of the running configuration. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownAccounts(Arc<RwLock<HashMap<AccountName, KnownAccount>>>);

#[derive(Debug)]
struct KnownAccount {
    source: String,
    server: String,
}

impl KnownAccounts {
    /// Sets the accounts of a new configuration.
    pub(super) fn set(&self, accounts: &[AccountConfig]) {
        let known = |account: &AccountConfig| {
            let of = KnownAccount { source: account.source.to_string(), server: account.server.to_string() };
            (account.name.clone(), of)
        };
        *self.0.write() = accounts.iter().map(known).collect();
    }

    /// Returns the place that makes an account one.
    pub(super) fn source(&self, account: &AccountName) -> Option<String> {
        self.0.read().get(account).map(|known| known.source.clone())
    }

    /// Returns true if the configuration has the account.
    pub(super) fn has(&self, account: &AccountName) -> bool {
        self.0.read().contains_key(account)
    }

    /// Returns all names in order.
    pub(super) fn names(&self) -> Vec<AccountName> {
        let mut names: Vec<_> = self.0.read().keys().cloned().collect();
        names.sort();
        names
    }

    /// Returns something about each account, from its name and its server.
    pub(super) fn map<T>(&self, of: impl Fn(&AccountName, &str) -> T) -> Vec<T> {
        self.0.read().iter().map(|(name, known)| of(name, &known.server)).collect()
    }
}
