//! The accounts as they were a moment ago, for those who watch them: looked at once for all watchers, and only while there
//! are some.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix::Addr;
use actix_web::web::Bytes;
use matterhost_actors::hosting::{ListAccounts, Supervisor};
use serde::Serialize;
use tokio::{
    sync::broadcast::{Receiver, Sender},
    time::{sleep, timeout},
};

use super::api_error::ApiError;
use crate::admin::dto::Account;

/// How often to look: as soon as a person can see a change, and for ten thousand accounts half as often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const ACCOUNTS_A_SECOND: u32 = 10_000;
/// How long the Supervisor may take.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// Rows in one event: some 100 KiB, which is what a slow watcher costs.
pub(super) const ROWS_PER_EVENT: usize = 250;
/// Events that a slow watcher may lag behind before it begins anew: those of two looks at ten thousand accounts.
const BACKLOG: usize = 128;

/// The accounts as they were a moment ago.
#[derive(Clone)]
pub(super) struct AccountFeed(Arc<Inner>);

struct Inner {
    supervisor: Addr<Supervisor>,
    state: Mutex<State>,
    sender: Sender<Bytes>,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<String, Arc<Account>>,
    /// Whether somebody looks, again and again.
    looking: bool,
}

impl AccountFeed {
    pub(super) fn new(supervisor: Addr<Supervisor>) -> Self {
        Self(Arc::new(Inner { supervisor, state: Mutex::default(), sender: Sender::new(BACKLOG) }))
    }

    /// Watches from now on: gives what changes. All rows are to be had by [`AccountFeed::rows`] meanwhile.
    pub(super) async fn watch(&self) -> Result<Receiver<Bytes>, ApiError> {
        {
            let state = self.state();
            if state.looking {
                return Ok(self.0.sender.subscribe());
            }
        }
        let rows =
            self.look().await.ok_or_else(|| ApiError::unavailable("the Supervisor does not answer"))?;
        let mut state = self.state();
        if !state.looking {
            state.rows = rows;
            state.looking = true;
            actix_rt::spawn(self.clone().keep_looking());
        }
        Ok(self.0.sender.subscribe())
    }

    /// Some rows, from that name on. They are taken one event at a time, so that a slow watcher keeps none; what changes
    /// meanwhile is told afterwards, and has the last word.
    pub(super) fn rows(&self, after: Option<&str>) -> Vec<Arc<Account>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state();
        state
            .rows
            .range::<str, _>((from, Bound::Unbounded))
            .take(ROWS_PER_EVENT)
            .map(|(_, row)| row.clone())
            .collect()
    }

    async fn keep_looking(self) {
        loop {
            let accounts = u32::try_from(self.state().rows.len()).unwrap_or(u32::MAX);
            sleep(LOOK_EVERY + Duration::from_secs(1) * accounts / ACCOUNTS_A_SECOND).await;
            let rows = self.look().await;
            let mut state = self.state();
            if self.0.sender.receiver_count() == 0 {
                *state = State::default();
                return;
            }
            if let Some(rows) = rows {
                for chunk in changes(&state.rows, &rows) {
                    // An error says that the last watcher has just gone.
                    let _ = self.0.sender.send(chunk);
                }
                state.rows = rows;
            }
        }
    }

    async fn look(&self) -> Option<BTreeMap<String, Arc<Account>>> {
        let all = timeout(LOOK_WITHIN, self.0.supervisor.send(ListAccounts)).await.ok()?.ok()?;
        let row = |account: Account| (account.name.clone(), Arc::new(account));
        Some(all.iter().map(Account::from).map(row).collect())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves rows that are whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same as [`crate::admin::dto::AccountChanges`], without a copy of each.
#[derive(Serialize)]
struct Rows<'a> {
    snapshot: bool,
    accounts: Vec<&'a Account>,
    removed: &'a [&'a str],
}

/// The event that tells rows; `snapshot` says that they are the first of all there are.
pub(super) fn rows_event<'a>(
    snapshot: bool,
    accounts: impl IntoIterator<Item = &'a Arc<Account>>,
    removed: &'a [&'a str],
) -> Bytes {
    let accounts = accounts.into_iter().map(|account| &**account).collect();
    // Texts and numbers cannot fail to be written.
    let json = serde_json::to_string(&Rows { snapshot, accounts, removed }).unwrap_or_default();
    format!("event: rows\ndata: {json}\n\n").into()
}

/// The events that tell what changed.
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
