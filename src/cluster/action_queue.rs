//! The port to the queue of actions, which programs elsewhere put there for an account.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use matterhost_actors::model::{AccountName, Excerpt};
use tokio::sync::mpsc;

/// The most actions that wait for one account, so that it cannot fill the queue.
pub const MOST_WAITING_OF_ACCOUNT: usize = 1_000;

/// The time by which the clock of a Mattermost server may be behind that of the queue, in milliseconds. A post is searched for that
/// much further back.
const CLOCK_MARGIN_MS: i64 = 300_000;

/// The part of its time in the queue that is left when an action that could not be taken is given up: its sender gets a result, and
/// none once the queue deletes it. Of an hour it is five minutes.
const LEFT_WHEN_GIVEN_UP: u32 = 12;

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

/// The queue at one moment, by its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueState {
    /// The present time, in nanoseconds.
    pub now: i128,
    /// The number of actions in it.
    pub actions: u64,
    /// The time at which the oldest one was stored, in nanoseconds; `None` if there is none.
    pub oldest: Option<i128>,
    /// The time after which it deletes an action; `None` if it never does.
    pub kept_for: Option<Duration>,
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

    /// Returns the number of actions, the age of the oldest and the present time.
    fn state(&self) -> BoxFuture<'static, Result<QueueState, QueueError>>;

    /// Returns notices from now on. A notice comes once the action is stored.
    fn notices(&self) -> mpsc::Receiver<QueueNotice>;
}

impl QueueState {
    /// Returns the age of an action.
    pub fn age(&self, stored_at: i128) -> Duration {
        Duration::from_nanos(u64::try_from(self.now.saturating_sub(stored_at)).unwrap_or_default())
    }

    /// Returns the age of the oldest action; zero if there is none.
    pub fn oldest_age(&self) -> Duration {
        self.oldest.map_or(Duration::ZERO, |stored_at| self.age(stored_at))
    }

    /// Returns true if the queue is about to delete actions of such an age.
    pub fn is_about_to_delete(&self, age: Duration) -> bool {
        self.kept_for.is_some_and(|kept_for| age >= kept_for.saturating_sub(kept_for / LEFT_WHEN_GIVEN_UP))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_about_to_be_deleted_in_the_last_part_of_its_time() {
        let second = |seconds: i128| seconds * 1_000_000_000;
        let hour = Some(Duration::from_secs(3_600));
        for (stored_at, kept_for, expected) in [
            (second(6_000) - second(3_300), hour, true),
            (second(6_000) - second(3_299), hour, false),
            (second(1), hour, true),
            (second(6_000) + second(60), hour, false),
            (second(1), None, false),
        ] {
            let state = QueueState { now: second(6_000), actions: 1, oldest: Some(stored_at), kept_for };
            assert_eq!(state.is_about_to_delete(state.oldest_age()), expected, "{stored_at} {kept_for:?}");
        }
        assert_eq!(QueueState { now: second(6_000), ..QueueState::default() }.oldest_age(), Duration::ZERO);
    }
}
