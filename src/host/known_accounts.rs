//! The accounts of the running configuration, for those that are asked about them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use matterhost_actors::model::{AccountName, ServerName};
use parking_lot::RwLock;

use super::cluster::QueueAccounts;
use crate::config::AccountConfig;

/// The accounts of the running configuration. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownAccounts(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    accounts: HashMap<AccountName, KnownAccount>,
    /// The number of their servers.
    servers: usize,
    /// The number of configurations that were set.
    version: u64,
}

#[derive(Debug)]
struct KnownAccount {
    source: String,
    server: ServerName,
    reply_deadline: Duration,
}

impl KnownAccounts {
    /// Sets the accounts of a new configuration, with the deadline of those that have none of their own.
    pub(super) fn set(&self, accounts: &[AccountConfig], reply_deadline: Duration) {
        let known = |account: &AccountConfig| {
            let own = account.settings.as_ref().map(|settings| settings.replies.deadline);
            let of = KnownAccount {
                source: account.source.to_string(),
                server: account.server.clone(),
                reply_deadline: own.unwrap_or(reply_deadline),
            };
            (account.name.clone(), of)
        };
        let servers = accounts.iter().map(|account| &account.server).collect::<BTreeSet<_>>().len();
        let accounts = accounts.iter().map(known).collect();
        let mut before = self.0.write();
        *before = Known { accounts, servers, version: before.version + 1 };
    }

    /// Returns the place that makes an account one.
    pub(super) fn source(&self, account: &AccountName) -> Option<String> {
        self.0.read().accounts.get(account).map(|known| known.source.clone())
    }

    /// Returns true if the configuration has the account.
    pub(super) fn has(&self, account: &AccountName) -> bool {
        self.0.read().accounts.contains_key(account)
    }

    /// Returns all names in order.
    pub(super) fn names(&self) -> Vec<AccountName> {
        let mut names: Vec<_> = self.0.read().accounts.keys().cloned().collect();
        names.sort();
        names
    }

    /// Returns something about each account, from its name and its server.
    pub(super) fn map<T>(&self, of: impl Fn(&AccountName, &str) -> T) -> Vec<T> {
        self.0.read().accounts.iter().map(|(name, known)| of(name, known.server.as_str())).collect()
    }
}

impl QueueAccounts for KnownAccounts {
    fn reply_deadline(&self, account: &AccountName) -> Option<Duration> {
        self.0.read().accounts.get(account).map(|known| known.reply_deadline)
    }

    fn server(&self, account: &AccountName) -> Option<ServerName> {
        self.0.read().accounts.get(account).map(|known| known.server.clone())
    }

    fn servers(&self) -> (usize, u64) {
        let known = self.0.read();
        (known.servers, known.version)
    }
}
