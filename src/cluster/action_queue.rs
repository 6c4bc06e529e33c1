//! The port to the queue of actions, which programs elsewhere put there and the owner of the account takes.

use std::fmt;

use matterhost_actors::model::AccountName;
use tokio::sync::{mpsc, oneshot};

use super::ShardId;

/// The actions of a shard that are taken and not done: enough to keep its accounts busy, and few to come again after a fail-over.
pub const MOST_OPEN_ACTIONS: usize = 16;

/// An action, or several, for an account.
#[derive(Debug)]
pub struct QueuedAction {
    /// The account.
    pub account: AccountName,
    /// Its identity, which is the same when it comes again.
    pub id: String,
    /// Its text.
    pub text: Vec<u8>,
    /// Takes the result, after which the queue forgets the action. If it is dropped, the action comes again.
    pub result: oneshot::Sender<Vec<u8>>,
}

/// The queue of actions.
pub trait ActionQueue: fmt::Debug + Send + Sync + 'static {
    /// Takes the actions for the accounts of a shard in order, until the receiver is dropped. What is not done then comes again.
    fn take(&self, shard: ShardId, accounts: Vec<AccountName>) -> mpsc::Receiver<QueuedAction>;
}
