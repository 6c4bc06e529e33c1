//! The port to the queue of actions, which programs elsewhere put there for an account.

use std::fmt;

use futures_util::future::BoxFuture;
use matterhost_actors::model::{AccountName, Excerpt};
use tokio::sync::mpsc;

/// The most actions that wait for one account, so that it cannot fill the queue.
pub const MOST_WAITING_OF_ACCOUNT: usize = 1_000;

/// The time by which the clock of a Mattermost server may be behind that of the queue, in milliseconds. A post is searched for that
/// much further back.
const CLOCK_MARGIN_MS: i64 = 300_000;

/// Notices that a host may lag behind; then the queue keeps them back. What is lost is found by a list.
pub(super) const NOTICES: usize = 4_096;

/// An action, or several, for an account. It stays in the queue until it is finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedAction {
    /// The account.
    pub account: AccountName,
    /// Its number in the queue.
    pub sequence: u64,
    /// The time at which the queue stored it, in nanoseconds.
    pub stored_at: i128,
    /// Its text.
    pub text: Vec<u8>,
    /// The place that its sender wants the result at, if it may get one there.
    pub inbox: Option<String>,
}

/// Something that happened to the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueNotice {
    /// An action of this account is stored.
    Stored(AccountName),
    /// There may have been others meanwhile.
    Missed,
}

/// The reason why the queue cannot be asked or changed now.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct QueueError(pub Excerpt);

/// The queue of actions. The actions of an account keep the order in which they were stored. Nothing is taken out of it
/// by reading: an action leaves it when it is finished, or is too old.
pub trait ActionQueue: fmt::Debug + Send + Sync + 'static {
    /// Returns the accounts for which something waits.
    fn accounts(&self) -> BoxFuture<'static, Result<Vec<AccountName>, QueueError>>;

    /// Returns the oldest action of an account.
    fn first(&self, account: &AccountName) -> BoxFuture<'static, Result<Option<QueuedAction>, QueueError>>;

    /// Sends the result of an action to its sender, and takes the action out of the queue. After an error it is
    /// still there, or not.
    fn finish(&self, action: QueuedAction, result: Vec<u8>) -> BoxFuture<'static, Result<(), QueueError>>;

    /// Returns the present time of the clock by which actions are stored, in nanoseconds.
    fn time(&self) -> BoxFuture<'static, Result<i128, QueueError>>;

    /// Returns notices from now on. A notice comes once the action is stored.
    fn notices(&self) -> mpsc::Receiver<QueueNotice>;
}

impl QueuedAction {
    /// Returns its identity, by which what was done already is found. It does not come again with another queue of the same name.
    pub fn key(&self) -> String {
        format!("nats-{}-{}", self.sequence, self.stored_at)
    }

    /// Returns the time before which nothing was done with its key, in milliseconds.
    pub fn earliest_ms(&self) -> i64 {
        i64::try_from(self.stored_at / 1_000_000).unwrap_or_default().saturating_sub(CLOCK_MARGIN_MS)
    }
}
