//! The accounts that no longer deliver to a sink, until the sink has forgotten them.

use std::{collections::BTreeSet, mem::take};

use matterhost_actors::model::AccountName;

use super::SinkMonitor;

/// The most names that are kept while a sink is idle. A host with more accounts coming and going lets the sink remember some.
const MAX_FORGOTTEN: usize = 10_000;

impl SinkMonitor {
    /// Asks the sink to forget an account.
    pub(in crate::sinks) fn forget_account(&self, account: &AccountName) {
        let mut forgotten = self.0.forgotten.lock();
        if forgotten.len() < MAX_FORGOTTEN {
            forgotten.insert(account.clone());
        }
    }

    /// Withdraws that, because the account delivers to the sink again.
    pub(in crate::sinks) fn remember_account(&self, account: &AccountName) {
        self.0.forgotten.lock().remove(account);
    }

    /// Returns the accounts to forget since the last call.
    pub(in crate::sinks) fn take_forgotten(&self) -> BTreeSet<AccountName> {
        take(&mut self.0.forgotten.lock())
    }
}
