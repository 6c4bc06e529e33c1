//! A queue of actions in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::ready,
    sync::Arc,
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use matterhost_actors::model::AccountName;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::action_queue::{
    ActionQueue, MOST_WAITING_OF_ACCOUNT, NOTICES, QueueError, QueueNotice, QueueState, QueuedAction,
};

/// The time for which an action is said to be kept, as by default in NATS.
const KEPT_FOR: Duration = Duration::from_secs(3_600);

/// A queue in memory. Clones share it. It deletes nothing, however old.
#[derive(Debug, Clone, Default)]
pub struct MemoryActions(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    actions: BTreeMap<u64, QueuedAction>,
    last: u64,
    /// The time, in nanoseconds.
    now: i128,
    results: BTreeMap<String, Vec<u8>>,
    watchers: Vec<mpsc::Sender<QueueNotice>>,
}

impl MemoryActions {
    /// Stores an action. Returns false if too many of the account wait.
    pub fn put(&self, account: &AccountName, text: &[u8], inbox: Option<&str>) -> bool {
        let mut state = self.0.lock();
        let waiting = state.actions.values().filter(|action| action.account == *account).count();
        if waiting >= MOST_WAITING_OF_ACCOUNT {
            return false;
        }
        state.last += 1;
        state.now += 1;
        let (sequence, stored_at) = (state.last, state.now);
        let (text, inbox) = (text.to_vec(), inbox.map(str::to_owned));
        let action = QueuedAction { account: account.clone(), sequence, stored_at, text, inbox };
        state.actions.insert(sequence, action);
        let notice = QueueNotice::Stored(account.clone());
        state.watchers.retain(|watcher| watcher.try_send(notice.clone()).is_ok());
        true
    }

    /// Moves the time on.
    pub fn advance(&self, by: Duration) {
        let by = i128::try_from(by.as_nanos()).unwrap_or_default();
        self.0.lock().now += by;
    }

    /// Returns the result at an inbox.
    pub fn result(&self, inbox: &str) -> Option<Vec<u8>> {
        self.0.lock().results.get(inbox).cloned()
    }

    /// Returns the number of actions that wait.
    pub fn waiting(&self) -> usize {
        self.0.lock().actions.len()
    }
}

impl ActionQueue for MemoryActions {
    fn accounts(&self) -> BoxFuture<'static, Result<Vec<AccountName>, QueueError>> {
        let state = self.0.lock();
        let accounts: BTreeSet<_> = state.actions.values().map(|action| action.account.clone()).collect();
        ready(Ok(accounts.into_iter().collect())).boxed()
    }

    fn first(&self, account: &AccountName) -> BoxFuture<'static, Result<Option<QueuedAction>, QueueError>> {
        let state = self.0.lock();
        ready(Ok(state.actions.values().find(|action| action.account == *account).cloned())).boxed()
    }

    fn finish(&self, action: QueuedAction, result: Vec<u8>) -> BoxFuture<'static, Result<(), QueueError>> {
        let mut state = self.0.lock();
        if let Some(inbox) = action.inbox {
            state.results.insert(inbox, result);
        }
        state.actions.remove(&action.sequence);
        ready(Ok(())).boxed()
    }

    fn state(&self) -> BoxFuture<'static, Result<QueueState, QueueError>> {
        let state = self.0.lock();
        let oldest = state.actions.values().next().map(|action| action.stored_at);
        let actions = u64::try_from(state.actions.len()).unwrap_or(u64::MAX);
        ready(Ok(QueueState { now: state.now, actions, oldest, kept_for: Some(KEPT_FOR) })).boxed()
    }

    fn notices(&self) -> mpsc::Receiver<QueueNotice> {
        let (sender, receiver) = mpsc::channel(NOTICES);
        self.0.lock().watchers.push(sender);
        receiver
    }
}
