//! The accounts of the running configuration, for those that are asked about them.

use std::{collections::HashMap, sync::Arc, time::Duration};

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
    reply_deadline: Duration,
}

impl KnownAccounts {
    /// Sets the accounts of a new configuration, with the deadline of those that have none of their own.
    pub(super) fn set(&self, accounts: &[AccountConfig], reply_deadline: Duration) {
        let known = |account: &AccountConfig| {
            let own = account.settings.as_ref().map(|settings| settings.replies.deadline);
            let of = KnownAccount {
                source: account.source.to_string(),
                server: account.server.to_string(),
                reply_deadline: own.unwrap_or(reply_deadline),
            };
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

    /// Returns `replies.deadline` of an account, if the configuration has it.
    pub(super) fn reply_deadline(&self, account: &AccountName) -> Option<Duration> {
        self.0.read().get(account).map(|known| known.reply_deadline)
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
