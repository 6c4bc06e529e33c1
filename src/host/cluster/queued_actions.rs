//! The actions that programs elsewhere put into the queue, for the accounts that this host runs.

use std::{collections::HashMap, sync::Arc};

use matterhost_actors::{model::AccountName, ports::Poster};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    actions::take_text,
    cluster::{ActionQueue, MOST_OPEN_ACTIONS, QueuedAction, ShardId},
};

/// The queue, and the tasks that take the actions of each shard.
pub(in crate::host) struct QueuedActions {
    queue: Arc<dyn ActionQueue>,
    poster: Arc<dyn Poster>,
    shards: HashMap<ShardId, JoinSet<()>>,
}

impl QueuedActions {
    /// Returns the queue, of which nothing is taken yet.
    pub(in crate::host) fn new(queue: Arc<dyn ActionQueue>, poster: Arc<dyn Poster>) -> Self {
        Self { queue, poster, shards: HashMap::new() }
    }

    /// Takes the actions for the accounts of a shard, which are these from now on.
    pub(in crate::host) fn start(&mut self, shard: ShardId, accounts: &[AccountName]) {
        self.stop(shard);
        if !accounts.is_empty() {
            let actions = self.queue.take(shard, accounts.to_vec());
            let mut tasks = JoinSet::new();
            tasks.spawn(run(actions, Arc::clone(&self.poster)));
            self.shards.insert(shard, tasks);
        }
    }

    /// Takes no more actions of a shard. Those that are not done come again, at its next owner.
    pub(in crate::host) fn stop(&mut self, shard: ShardId) {
        // The tasks end when their set is dropped.
        self.shards.remove(&shard);
    }
}

/// Hands the actions of each account to a task of its own, so that one that is not connected does not keep the others.
async fn run(mut actions: mpsc::Receiver<QueuedAction>, poster: Arc<dyn Poster>) {
    let mut accounts = HashMap::<AccountName, mpsc::Sender<QueuedAction>>::new();
    let mut tasks = JoinSet::new();
    while let Some(action) = actions.recv().await {
        let sender = accounts.entry(action.account.clone()).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(MOST_OPEN_ACTIONS);
            tasks.spawn(take_in_order(receiver, Arc::clone(&poster)));
            sender
        });
        // There is room for all that are open at a time.
        let _ = sender.try_send(action);
    }
}

async fn take_in_order(mut actions: mpsc::Receiver<QueuedAction>, poster: Arc<dyn Poster>) {
    while let Some(QueuedAction { account, id, text, result }) = actions.recv().await {
        if poster.may_act(&account) {
            let done = take_text(&*poster, &account, &text, &id).await;
            // Otherwise the account has moved meanwhile, and its next owner does it, or finds it done.
            if poster.may_act(&account) {
                // An error means that the queue has no connection: the action comes again, and is found done.
                let _ = result.send(done);
            }
        }
    }
}

#[cfg(test)]
mod tests;
