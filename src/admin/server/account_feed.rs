//! The accounts and their changes, for the watchers of `/v1/watch`: polled once for all of them, and only while there are
//! any.

use std::{collections::BTreeMap, ops::Bound, sync::Arc, time::Duration};

use actix_web::web::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::{
    sync::broadcast::{Receiver, Sender},
    time::sleep,
};

use super::{all_accounts::AllAccounts, api_error::ApiError};
use crate::admin::dto::Account;

/// The pause between two polls, plus one second for each [`ACCOUNTS_PER_SECOND`] accounts: soon enough for a person, and
/// half as often for ten thousand accounts.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
const ACCOUNTS_PER_SECOND: u32 = 10_000;
/// Rows in one event: about 100 KiB, the memory that a slow watcher holds.
pub(super) const ROWS_PER_EVENT: usize = 250;
/// Events that a watcher may lag behind before it gets a new snapshot: those of two polls of ten thousand accounts.
const BACKLOG: usize = 128;

/// The latest rows of all accounts, and a channel of their changes.
#[derive(Clone)]
pub(super) struct AccountFeed(Arc<Inner>);

struct Inner {
    accounts: AllAccounts,
    state: Mutex<State>,
    sender: Sender<Bytes>,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<String, Arc<Account>>,
    /// True while `poll_until_unwatched` is running.
    polling: bool,
}

impl AccountFeed {
    pub(super) fn new(accounts: AllAccounts) -> Self {
        let (state, sender) = (Mutex::default(), Sender::new(BACKLOG));
        Self(Arc::new(Inner { accounts, state, sender }))
    }

    /// Subscribes to changes, and starts polling if needed. [`AccountFeed::rows`] returns the current rows.
    pub(super) async fn watch(&self) -> Result<Receiver<Bytes>, ApiError> {
        if self.0.state.lock().polling {
            return Ok(self.0.sender.subscribe());
        }
        let rows = self.poll().await?;
        let mut state = self.0.state.lock();
        if !state.polling {
            state.rows = rows;
            state.polling = true;
            actix_rt::spawn(self.clone().poll_until_unwatched());
        }
        Ok(self.0.sender.subscribe())
    }

    /// Returns the rows of one event, after that name. A slow watcher takes one event at a time and so holds no rows;
    /// changes made meanwhile are sent afterwards and override them.
    pub(super) fn rows(&self, after: Option<&str>) -> Vec<Arc<Account>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.0.state.lock();
        state
            .rows
            .range::<str, _>((from, Bound::Unbounded))
            .take(ROWS_PER_EVENT)
            .map(|(_, row)| row.clone())
            .collect()
    }

    async fn poll_until_unwatched(self) {
        loop {
            let accounts = u32::try_from(self.0.state.lock().rows.len()).unwrap_or(u32::MAX);
            sleep(POLL_INTERVAL + Duration::from_secs(1) * accounts / ACCOUNTS_PER_SECOND).await;
            let rows = self.poll().await;
            let mut state = self.0.state.lock();
            if self.0.sender.receiver_count() == 0 {
                *state = State::default();
                return;
            }
            if let Ok(rows) = rows {
                for chunk in changes(&state.rows, &rows) {
                    // Fails only if the last watcher has just gone.
                    let _ = self.0.sender.send(chunk);
                }
                state.rows = rows;
            }
        }
    }

    async fn poll(&self) -> Result<BTreeMap<String, Arc<Account>>, ApiError> {
        let all = self.0.accounts.list().await?;
        Ok(all.into_iter().map(|account| (account.name.clone(), Arc::new(account))).collect())
    }
}

/// A [`crate::admin::dto::AccountChanges`] that borrows its rows.
#[derive(Serialize)]
struct Rows<'a> {
    snapshot: bool,
    accounts: Vec<&'a Account>,
    removed: &'a [&'a str],
}

/// Formats the event with these rows; `snapshot` marks the first event of a new list.
pub(super) fn rows_event<'a>(
    snapshot: bool,
    accounts: impl IntoIterator<Item = &'a Arc<Account>>,
    removed: &'a [&'a str],
) -> Bytes {
    let accounts = accounts.into_iter().map(|account| &**account).collect();
    // Strings and numbers always serialize.
    let json = serde_json::to_string(&Rows { snapshot, accounts, removed }).unwrap_or_default();
    format!("event: rows\ndata: {json}\n\n").into()
}

/// Formats the events for the changes between two polls.
fn changes(old: &BTreeMap<String, Arc<Account>>, new: &BTreeMap<String, Arc<Account>>) -> Vec<Bytes> {
    let changed: Vec<_> = new.values().filter(|row| old.get(&row.name) != Some(row)).collect();
    let removed: Vec<_> = old.keys().filter(|name| !new.contains_key(*name)).map(String::as_str).collect();
    let mut chunks: Vec<_> =
        changed.chunks(ROWS_PER_EVENT).map(|rows| rows_event(false, rows.iter().copied(), &[])).collect();
    if !removed.is_empty() {
        chunks.push(rows_event(false, [], &removed));
    }
    chunks
}
