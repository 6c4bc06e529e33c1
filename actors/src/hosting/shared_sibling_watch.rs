//! The sibling watch of one server, shared by all its Connections.

use std::{sync::Arc, time::Instant};

use parking_lot::Mutex;

use crate::{
    model::{AccountName, ServerName, UserChange, UserId},
    policy::{RecentChanges, SiblingNews, SiblingWatch},
    ports::WitnessRelay,
};

/// The sibling watch of one server, and the way to other hosts that have accounts there. The locks are never held across an
/// `.await`.
#[derive(Clone)]
pub(super) struct SharedSiblingWatch(Arc<Inner>);

struct Inner {
    watch: Mutex<SiblingWatch<AccountName>>,
    relay: Option<Relay>,
}

struct Relay {
    server: ServerName,
    passed_on: Mutex<RecentChanges>,
    hosts: Arc<dyn WitnessRelay>,
}

impl SharedSiblingWatch {
    /// Watches no account yet. News about users that are not hosted here go to the relay, if there is one.
    pub(super) fn new(server: &ServerName, relay: Option<&Arc<dyn WitnessRelay>>) -> Self {
        let relay = relay.map(|hosts| Relay {
            server: server.clone(),
            passed_on: Mutex::default(),
            hosts: Arc::clone(hosts),
        });
        Self(Arc::new(Inner { watch: Mutex::default(), relay }))
    }

    pub(super) fn set_baseline(&self, user: &UserId, account: &AccountName, update_at: i64) {
        self.0.watch.lock().set_baseline(user, account, update_at);
    }

    pub(super) fn watch_from(&self, user: &UserId, account: &AccountName, update_at: i64) {
        self.0.watch.lock().watch_from(user, account, update_at);
    }

    pub(super) fn forget(&self, account: &AccountName) {
        self.0.watch.lock().forget(account);
    }

    /// Records what an account of this host heard. Other hosts hear of it, too, if it is news for them.
    pub(super) fn heard_here(&self, now: Instant, user: &UserId, update_at: i64) -> SiblingNews<AccountName> {
        self.observe(now, user, update_at, |relay| relay.pass_on(user, update_at))
    }

    /// Records what an account of another host heard. It need not be passed on any more.
    pub(super) fn heard_elsewhere(&self, now: Instant, change: &UserChange) -> SiblingNews<AccountName> {
        let UserChange { user, update_at, .. } = change;
        self.observe(now, user, *update_at, |relay| {
            relay.passed_on.lock().record(user, *update_at);
        })
    }

    fn observe(
        &self,
        now: Instant,
        user: &UserId,
        update_at: i64,
        not_hosted: impl FnOnce(&Relay),
    ) -> SiblingNews<AccountName> {
        let news = self.0.watch.lock().observe(now, user, update_at);
        if news == SiblingNews::NotHosted {
            self.0.relay.as_ref().map(not_hosted);
        }
        news
    }
}

impl Relay {
    fn pass_on(&self, user: &UserId, update_at: i64) {
        if self.passed_on.lock().record(user, update_at) {
            self.hosts.pass_on(UserChange { server: self.server.clone(), user: user.clone(), update_at });
        }
    }
}
