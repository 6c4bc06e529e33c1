//! The board of the running sinks: what the admin API reads and commands, from any thread.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
};

use matterhost_actors::{
    model::{AccountName, Excerpt},
    ports::{EventSink, Poster},
};
use parking_lot::RwLock;
use tokio::sync::Semaphore;

use super::{
    dead_letter::DeadLetters,
    handler::MAX_DETACHED,
    hook_places::HookPlaces,
    letter_target::LetterTarget,
    monitor::{SinkMonitor, SinkSnapshot, SinkState, SkipError},
    running_sink::RunningSink,
};
use crate::config::{FilterConfig, SinkKind};

/// The running sinks and the accounts that deliver to them. Clones share it.
#[derive(Clone, Default)]
pub struct SinkBoard(Arc<RwLock<Board>>);

#[derive(Default)]
struct Board {
    sinks: BTreeMap<Arc<str>, SinkHandle>,
    accounts: BTreeMap<AccountName, Vec<Arc<str>>>,
    /// The accounts that are about to leave the host.
    leaving: BTreeSet<AccountName>,
    /// True if the host is stopping.
    all_leave: bool,
}

/// A handle of a running sink.
#[derive(Clone)]
pub struct SinkHandle {
    pub(super) name: Arc<str>,
    /// The value of `type`.
    pub(super) kind: &'static str,
    pub(super) best_effort: bool,
    /// The most events that its handler has at once.
    pub(super) slots: Option<usize>,
    pub(super) monitor: SinkMonitor,
    pub(super) letters: DeadLetters,
    /// The handler that dead letters are delivered to; `None` for a type without one.
    pub(super) target: Option<LetterTarget>,
    /// The events that it takes.
    pub(super) filter: FilterConfig,
    /// The sink for events that are tried once, without its filter, unless it has ended.
    pub(super) direct: Weak<dyn EventSink>,
    /// The sink for events that its handler has taken for later, if it can say so.
    pub(super) again: Option<Weak<dyn EventSink>>,
    /// The places with its handler of events that a person waits for.
    pub(super) hooks: HookPlaces,
    /// Posts the replies among the dead letters.
    pub(super) poster: Arc<dyn Poster>,
    /// The number of further updates that may go on without being waited for.
    pub(super) detached: Arc<Semaphore>,
}

impl SinkBoard {
    /// Returns the sinks by name.
    pub fn all(&self) -> Vec<SinkHandle> {
        self.0.read().sinks.values().cloned().collect()
    }

    /// Returns a sink.
    pub fn get(&self, name: &str) -> Option<SinkHandle> {
        self.0.read().sinks.get(name).cloned()
    }

    /// Returns true if an account delivers to a sink.
    pub fn delivers(&self, account: &AccountName, sink: &str) -> bool {
        self.0.read().accounts.get(account).is_some_and(|sinks| sinks.iter().any(|name| **name == *sink))
    }

    /// Returns the accounts that deliver to a sink.
    pub fn accounts_of(&self, sink: &str) -> Vec<AccountName> {
        let board = self.0.read();
        let delivers = |(_, sinks): &(&AccountName, &Vec<Arc<str>>)| sinks.iter().any(|name| **name == *sink);
        board.accounts.iter().filter(delivers).map(|(account, _)| account.clone()).collect()
    }

    /// Returns the sinks that an account delivers to.
    pub(super) fn sinks_of(&self, account: &AccountName) -> Vec<SinkHandle> {
        let board = self.0.read();
        let names = board.accounts.get(account).into_iter().flatten();
        names.filter_map(|name| board.sinks.get(name)).cloned().collect()
    }

    /// Returns the sinks of an account that wait for their handler to start, or rest.
    pub fn resting_sinks_of(&self, account: &AccountName) -> Vec<SinkHandle> {
        let handles = self.sinks_of(account).into_iter();
        handles.filter(|handle| handle.monitor.is_waiting_for_handler()).collect()
    }

    /// Returns true if a hook of the account can be answered here, to the end.
    pub fn takes_hooks(&self, account: &AccountName) -> bool {
        let board = self.0.read();
        board.accounts.contains_key(account) && !board.all_leave && !board.leaving.contains(account)
    }

    /// Takes no more hooks for an account that is about to leave, unless it comes back.
    pub fn set_leaving(&self, account: &AccountName) {
        self.0.write().leaving.insert(account.clone());
    }

    /// Takes no more hooks for any account.
    pub fn set_all_leaving(&self) {
        self.0.write().all_leave = true;
    }

    pub(super) fn set_sinks(&self, sinks: BTreeMap<Arc<str>, SinkHandle>) {
        self.0.write().sinks = sinks;
    }

    /// Sets the sinks that an account delivers to. It is here from now on.
    pub fn set_account(&self, account: &AccountName, sinks: &[Arc<str>]) {
        let mut board = self.0.write();
        board.leaving.remove(account);
        let before = board.accounts.insert(account.clone(), sinks.to_vec()).unwrap_or_default();
        board.handlers(&before).filter(|handle| !sinks.contains(&handle.name)).for_each(|handle| {
            handle.monitor.forget_account(account);
        });
        board.handlers(sinks).for_each(|handle| handle.monitor.remember_account(account));
    }

    pub(super) fn forget_account(&self, account: &AccountName) {
        let mut board = self.0.write();
        board.leaving.remove(account);
        let before = board.accounts.remove(account).unwrap_or_default();
        board.handlers(&before).for_each(|handle| handle.monitor.forget_account(account));
    }
}

impl Board {
    /// Returns those of the sinks that have a handler, and therefore remember accounts.
    fn handlers<'a>(&'a self, names: &'a [Arc<str>]) -> impl Iterator<Item = &'a SinkHandle> {
        names.iter().filter_map(|name| self.sinks.get(name)).filter(|handle| handle.target.is_some())
    }
}

impl SinkHandle {
    /// Returns the handle of a running sink with these dead letters.
    pub(super) fn of(running: &RunningSink, letters: DeadLetters, poster: &Arc<dyn Poster>) -> Self {
        let config = &running.config;
        let slots = match &config.kind {
            SinkKind::Webhook(webhook) => Some(webhook.concurrency),
            SinkKind::Exec(exec) => Some(exec.in_flight),
            SinkKind::Nats(nats) => Some(nats.in_flight),
            // Each account has as many as it delivers at once.
            SinkKind::Bot(_) | SinkKind::Stdout | SinkKind::File(_) => None,
        };
        Self {
            name: Arc::clone(&config.name),
            kind: config.kind.name(),
            best_effort: config.best_effort,
            slots,
            monitor: running.monitor.clone(),
            letters,
            target: running.worker.letter_target(),
            filter: config.filter.clone(),
            direct: running.direct(),
            again: running.again(),
            hooks: running.hooks.clone(),
            poster: Arc::clone(poster),
            detached: Arc::new(Semaphore::new(MAX_DETACHED)),
        }
    }

    /// Returns the sink's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the value of `type`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Returns true if events count as delivered without it.
    pub fn is_best_effort(&self) -> bool {
        self.best_effort
    }

    /// Returns the most events that its handler has at once, if there is a limit.
    pub fn slots(&self) -> Option<usize> {
        self.slots
    }

    /// Returns its state. `accounts` deliver to it.
    pub fn snapshot(&self, accounts: Vec<AccountName>) -> SinkSnapshot {
        self.monitor.snapshot(accounts.into())
    }

    /// Returns its dead letters.
    pub fn dead_letters(&self) -> &DeadLetters {
        &self.letters
    }

    /// Ends its child and starts the next at once, with its whole restart budget; ends its pauses. Its accounts must then
    /// deliver at once what waits.
    pub fn restart(&self) {
        self.monitor.request_restart();
        self.end_pause();
    }

    fn end_pause(&self) {
        if let Some(target) = &self.target {
            target.end_pause();
        }
    }

    /// Ends its pauses and starts its child if none runs. Its accounts must then deliver at once what waits.
    pub fn retry_now(&self) {
        self.monitor.request_retry();
        self.end_pause();
    }

    /// Takes the first event of an account's channel away and makes it a dead letter. The account must then deliver at once
    /// what waits.
    ///
    /// # Errors
    /// If there is no such event, or the sink keeps no dead letters.
    pub fn skip(&self, account: &str, channel: &str, event: Option<&str>) -> Result<Excerpt, SkipError> {
        if self.target.is_none() {
            return Err(SkipError::KeepsNoDeadLetters(self.kind));
        }
        self.monitor.request_skip(account, channel, event)
    }
}

impl SinkMonitor {
    /// Returns true if no child runs at the moment, or the handler asked for a pause.
    fn is_waiting_for_handler(&self) -> bool {
        let snapshot = self.snapshot(Arc::default());
        matches!(snapshot.state, SinkState::Resting | SinkState::FailedToStart) || snapshot.next.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_leaves_takes_no_hooks_until_it_comes_back() {
        let (board, bot) = (SinkBoard::default(), AccountName::new("bot").unwrap());
        assert!(!board.takes_hooks(&bot), "it is not here yet");
        board.set_account(&bot, &[]);
        assert!(board.takes_hooks(&bot));
        board.set_leaving(&bot);
        assert!(!board.takes_hooks(&bot));
        board.set_account(&bot, &[]);
        assert!(board.takes_hooks(&bot));
        board.forget_account(&bot);
        assert!(!board.takes_hooks(&bot));
        board.set_account(&bot, &[]);
        board.set_all_leaving();
        assert!(!board.takes_hooks(&bot));
    }
}
