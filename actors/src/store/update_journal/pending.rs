use std::collections::{HashMap, VecDeque};

use crate::model::{AccountName, ChannelId, ChannelUpdate};

use super::Updates;

/// The updates that are in no record yet, merged by record.
#[derive(Debug, Default)]
pub(super) struct Pending {
    accounts: HashMap<AccountName, PendingAccount>,
    /// The records in the order of their first updates. A record whose updates were taken is left until its turn comes; the
    /// limit of the journal bounds the number of these.
    order: VecDeque<(u64, AccountName, Option<ChannelId>)>,
}

/// The updates of one account, each with the first row of the journal that has a part of it.
#[derive(Debug, Default)]
struct PendingAccount {
    server_time: Option<(u64, i64)>,
    channels: HashMap<ChannelId, (u64, ChannelUpdate)>,
}

impl Pending {
    pub(super) fn has_account(&self, account: &AccountName) -> bool {
        self.accounts.contains_key(account)
    }

    pub(super) fn has_server_time(&self, account: &AccountName) -> bool {
        self.accounts.get(account).is_some_and(|pending| pending.server_time.is_some())
    }

    pub(super) fn has_channel(&self, account: &AccountName, channel: &ChannelId) -> bool {
        self.accounts.get(account).is_some_and(|pending| pending.channels.contains_key(channel))
    }

    pub(super) fn channels(&self, account: &AccountName) -> Vec<ChannelId> {
        let pending = self.accounts.get(account);
        pending.map(|pending| pending.channels.keys().cloned().collect()).unwrap_or_default()
    }

    /// Adds the updates of a row.
    pub(super) fn add(&mut self, row: u64, account: &AccountName, updates: Updates) {
        if updates.is_empty() {
            return;
        }
        let pending = self.accounts.entry(account.clone()).or_default();
        if let Some(time) = updates.server_time {
            if let Some((_, server_time)) = &mut pending.server_time {
                *server_time = time;
            } else {
                pending.server_time = Some((row, time));
                self.order.push_back((row, account.clone(), None));
            }
        }
        for (channel, update) in updates.channels {
            if let Some((_, earlier)) = pending.channels.get_mut(&channel) {
                earlier.merge(update);
            } else {
                self.order.push_back((row, account.clone(), Some(channel.clone())));
                pending.channels.insert(channel, (row, update));
            }
        }
    }

    pub(super) fn take_server_time(&mut self, account: &AccountName) -> Option<i64> {
        let pending = self.accounts.get_mut(account)?;
        let taken = pending.server_time.take().map(|(_, time)| time);
        self.remove_if_empty(account);
        taken
    }

    pub(super) fn take_channel(
        &mut self,
        account: &AccountName,
        channel: &ChannelId,
    ) -> Option<ChannelUpdate> {
        let pending = self.accounts.get_mut(account)?;
        let taken = pending.channels.remove(channel).map(|(_, update)| update);
        self.remove_if_empty(account);
        taken
    }

    fn remove_if_empty(&mut self, account: &AccountName) {
        let is_empty =
            |pending: &PendingAccount| pending.server_time.is_none() && pending.channels.is_empty();
        if self.accounts.get(account).is_some_and(is_empty) {
            self.accounts.remove(account);
        }
    }

    pub(super) fn remove_account(&mut self, account: &AccountName) {
        self.accounts.remove(account);
    }

    /// Returns the first row that holds an update of any record.
    pub(super) fn first_row(&mut self) -> Option<u64> {
        self.drop_taken();
        self.order.front().map(|(row, ..)| *row)
    }

    /// Returns the record with the oldest update.
    pub(super) fn oldest(&mut self) -> Option<(AccountName, Option<ChannelId>)> {
        self.drop_taken();
        self.order.front().map(|(_, account, channel)| (account.clone(), channel.clone()))
    }

    /// Drops the entries at the front whose updates were taken.
    fn drop_taken(&mut self) {
        while let Some((row, account, channel)) = self.order.front() {
            let pending = self.accounts.get(account);
            let first = pending.and_then(|pending| match channel {
                None => pending.server_time.map(|(first, _)| first),
                Some(channel) => pending.channels.get(channel).map(|(first, _)| *first),
            });
            if first == Some(*row) {
                return;
            }
            self.order.pop_front();
        }
    }
}
