//! The shards whose accounts this host runs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use actix::Addr;
use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _, join_all},
    stream::FuturesUnordered,
};
use matterhost_actors::{
    hosting::{RemoveAccount, Supervisor},
    model::AccountName,
};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::{ClusterHandle, ShardOrder, starting_accounts::StartingAccounts};
use crate::{
    cluster::{ClusterStatus, Fence, MemberRequest, ShardFences, ShardId, shard_of},
    config::Config,
};

/// The shards whose accounts this host runs, and the accounts of each shard.
pub(in crate::host) struct OwnedShards {
    owned: BTreeSet<ShardId>,
    accounts: HashMap<ShardId, Vec<AccountName>>,
    fences: ShardFences,
    orders: mpsc::Receiver<ShardOrder>,
    member: mpsc::Sender<MemberRequest>,
    status: watch::Receiver<ClusterStatus>,
    /// The number of live members when it was last asked for.
    members: u32,
    starting: StartingAccounts,
    stopping: FuturesUnordered<BoxFuture<'static, StoppedShard>>,
    release: Box<dyn Fn(&AccountName) + Send>,
    /// Makes the worker of the queue of actions look for what waits.
    actions: Option<Arc<Notify>>,
}

/// A shard whose accounts have stopped.
pub(in crate::host) struct StoppedShard {
    shard: ShardId,
    accounts: Vec<AccountName>,
    done: oneshot::Sender<()>,
}

/// Something to be done for a shard.
pub(in crate::host) enum ShardEvent {
    /// Its accounts are to be added. The sender is dropped once they are ready, or have failed to be.
    Start(ShardId, Fence, oneshot::Sender<()>),
    /// Its accounts are to be removed.
    Stop(ShardId, oneshot::Sender<()>),
    /// Its accounts have been removed.
    Stopped(StoppedShard),
    /// The number of live members has changed.
    Members,
}

impl OwnedShards {
    /// Returns none of the shards, until the member orders them to be started.
    pub(super) fn new(
        config: &Config,
        fences: ShardFences,
        orders: mpsc::Receiver<ShardOrder>,
        handle: &ClusterHandle,
        starting: StartingAccounts,
        release: Box<dyn Fn(&AccountName) + Send>,
    ) -> Self {
        let mut shards = Self {
            owned: BTreeSet::new(),
            accounts: HashMap::new(),
            fences,
            orders,
            member: handle.requests.clone(),
            status: handle.status.clone(),
            members: 1,
            starting,
            stopping: FuturesUnordered::new(),
            release,
            actions: None,
        };
        shards.set_accounts(config);
        shards
    }

    /// Looks for queued actions when a shard starts.
    pub(super) fn with_actions(self, actions: Option<Arc<Notify>>) -> Self {
        Self { actions, ..self }
    }

    /// Takes the accounts of a new configuration.
    pub(in crate::host) fn set_accounts(&mut self, config: &Config) {
        self.accounts.clear();
        for account in &config.accounts {
            self.accounts.entry(shard_of(&account.name)).or_default().push(account.name.clone());
        }
        let weights: BTreeMap<_, _> =
            self.accounts.iter().map(|(shard, accounts)| (*shard, accounts.len())).collect();
        if self.member.try_send(MemberRequest::SetAccounts(weights)).is_err() {
            // Moves are only less even.
            tracing::debug!("the member does not take the numbers of accounts now");
        }
    }

    /// Returns true if this host runs the account.
    pub(in crate::host) fn owns(&self, account: &AccountName) -> bool {
        self.owned.contains(&shard_of(account))
    }

    /// Waits for the next thing to do. It may be dropped and called again.
    pub(in crate::host) async fn next(&mut self) -> ShardEvent {
        loop {
            tokio::select! {
                // Before accounts start, so that they begin with their share of what members share.
                biased;
                // Its sender lives as long as that of the orders.
                Ok(()) = self.status.changed() => if self.count_members() { return ShardEvent::Members },
                Some(stopped) = self.stopping.next(), if !self.stopping.is_empty() => {
                    return ShardEvent::Stopped(stopped);
                }
                order = self.orders.recv() => match order {
                    Some(ShardOrder::Start(shard, fence, started)) => {
                        return ShardEvent::Start(shard, fence, started);
                    }
                    Some(ShardOrder::Stop(shard, done)) => return ShardEvent::Stop(shard, done),
                    // The member has ended, and the fences close by themselves.
                    None => std::future::pending().await,
                },
                never = self.starting.follow() => match never {},
            }
        }
    }

    /// Returns the number of live members, this one included.
    pub(in crate::host) fn members(&self) -> u32 {
        self.members
    }

    /// Counts the live members. Returns true if there are more or fewer than before.
    fn count_members(&mut self) -> bool {
        let members = self.status.borrow_and_update().members.len().max(1);
        let members = u32::try_from(members).unwrap_or(u32::MAX);
        std::mem::replace(&mut self.members, members) != members
    }

    /// Begins to run a shard, and returns its accounts.
    pub(in crate::host) fn start(
        &mut self,
        shard: ShardId,
        fence: Fence,
        started: oneshot::Sender<()>,
    ) -> Vec<AccountName> {
        self.owned.insert(shard);
        self.fences.set(shard, fence);
        self.actions.iter().for_each(|actions| actions.notify_one());
        let accounts = self.accounts.get(&shard).cloned().unwrap_or_default();
        self.starting.add(&accounts, started);
        accounts
    }

    /// Begins to stop the accounts of a shard, and returns them.
    pub(in crate::host) fn stop(
        &mut self,
        shard: ShardId,
        done: oneshot::Sender<()>,
        supervisor: &Addr<Supervisor>,
    ) -> Vec<AccountName> {
        self.owned.remove(&shard);
        let accounts = self.accounts.get(&shard).cloned().unwrap_or_default();
        self.starting.remove(&accounts);
        let removals: Vec<_> =
            accounts.iter().map(|account| supervisor.send(RemoveAccount(account.clone()))).collect();
        let stopped = accounts.clone();
        let removed = join_all(removals).map(move |results| {
            let refused = results.into_iter().filter_map(|result| result.ok()?.err());
            refused.for_each(|error| tracing::error!(%error, "the Supervisor refused to remove an account"));
            StoppedShard { shard, accounts, done }
        });
        self.stopping.push(removed.boxed());
        stopped
    }

    /// Ends a shard, so that another member may take it. Returns its accounts.
    pub(in crate::host) fn stopped(&mut self, stopped: StoppedShard) -> Vec<AccountName> {
        let StoppedShard { shard, accounts, done } = stopped;
        self.fences.remove(shard);
        for account in &accounts {
            (self.release)(account);
        }
        // An error means that the member has ended.
        let _ = done.send(());
        accounts
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::sync::broadcast;

    use super::super::UserNews;
    use super::*;
    use crate::{
        cluster::{MemberId, MemberName, MemoryMessages},
        config::Sources,
    };

    #[tokio::test]
    async fn the_queue_of_actions_is_looked_at_when_a_shard_starts() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("matterhost.toml");
        let text =
            "[servers.s]\nurl = 'http://127.0.0.1:1'\n[accounts.a]\ntoken = 'x'\n[state]\nstore = 'memory'\n";
        fs::write(&file, text).unwrap();
        let config = Config::load(&Sources { files: vec![file], ..Sources::default() }, None).unwrap();
        let id = MemberId::new(MemberName::new("m").unwrap(), 1);
        let (_status, status) = watch::channel(ClusterStatus::default());
        let ((requests, _requested), (_orders, orders)) = (mpsc::channel(1), mpsc::channel(1));
        let messages = Arc::new(MemoryMessages::default());
        let user_news = UserNews::start(messages.clone(), &id);
        let handle = ClusterHandle { id, messages, status, requests, actions: None, user_news };
        let look = Arc::new(Notify::new());
        let starting = StartingAccounts::new(Box::new(|| broadcast::channel(1).1));
        let fences = ShardFences::default();
        let shards = OwnedShards::new(&config, fences, orders, &handle, starting, Box::new(|_| ()));
        let mut shards = shards.with_actions(Some(Arc::clone(&look)));
        assert!(look.notified().now_or_never().is_none());
        let account = AccountName::new("a").unwrap();
        assert_eq!(shards.start(shard_of(&account), Fence::default(), oneshot::channel().0), [account]);
        assert!(look.notified().now_or_never().is_some());
    }
}
