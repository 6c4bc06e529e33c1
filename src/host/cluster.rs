//! The host as a member of a cluster: it hosts only the accounts of the shards that it owns.

mod cluster_handle;
mod cluster_stores;
mod host_members;
mod owned_shards;
mod queued_actions;
mod starting_accounts;
mod user_news;

pub(super) use self::{
    cluster_handle::ClusterHandle,
    host_members::{HostMembers, answer_about_accounts, answer_hooks},
    owned_shards::{OwnedShards, ShardEvent},
    queued_actions::{QueueAccounts, QueuedActions},
    user_news::UserNews,
};

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix::Addr;
use futures_util::future::{BoxFuture, FutureExt as _};
use matterhost_actors::{
    hosting::{Observer, Supervisor},
    model::{
        AccountName, ChannelId, FileId, Found, Lookup, OutgoingAction, PostedIds, ReplyError, ServerLimits,
        UserId,
    },
    ports::{AccountFence, FileDownload, Poster, WitnessRelay},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use self::{
    cluster_stores::{ClusterStores, connect},
    starting_accounts::{START_LIMIT, StartingAccounts},
};
use super::{known_accounts::KnownAccounts, store::Store};
use crate::{
    cluster::{
        ClusterSettings, Coordinator, Fence, MemberId, MemberLoop, MemberMessages, MemberName, MemberRecord,
        MemberRequest, Membership, Questions, SHARDS, ShardFences, ShardId, ShardRunner, Topic,
    },
    config::{ClusterConfig, Config},
    telemetry::version,
};

/// The accounts that all members together move at a time: none of them hears anything until it has connected anew, and the
/// server answers others, too.
const MOST_MOVING: usize = 64;

/// Requests to the member that wait. There is one a reload, and one of an operator.
const MAX_REQUESTS: usize = 16;

/// Orders that wait for the host: a shard has at most one start and one stop.
const MAX_ORDERS: usize = 2 * SHARDS as usize;

/// An order of the member to the host.
pub(super) enum ShardOrder {
    /// Starts the accounts of a shard. The sender is dropped once they are ready, or have failed to be.
    Start(ShardId, Fence, oneshot::Sender<()>),
    /// Stops them. The sender is notified when they hand over nothing any more.
    Stop(ShardId, oneshot::Sender<()>),
}

/// The connection to a cluster that this host has not joined yet.
pub(super) struct PreparedCluster {
    lease_ttl: Duration,
    fences: ShardFences,
    stores: ClusterStores,
    id: MemberId,
    user_news: UserNews,
}

/// The membership of this host.
pub(super) struct ClusterMember {
    handle: ClusterHandle,
    /// The worker that takes actions from the queue, if there is one.
    pub(super) actions: Option<QueuedActions>,
    task: JoinHandle<()>,
}

/// Passes the member's decisions on to the host.
struct OrderSender(mpsc::Sender<ShardOrder>);

impl ShardRunner for OrderSender {
    fn start(&mut self, shard: ShardId, fence: Fence) -> BoxFuture<'static, ()> {
        let (started, is_over) = oneshot::channel();
        // The queue has room for all orders; without a receiver the host is ending.
        let _ = self.0.try_send(ShardOrder::Start(shard, fence, started));
        // Either way they count as started.
        timeout(START_LIMIT, is_over).map(drop).boxed()
    }

    fn stop(&mut self, shard: ShardId) -> BoxFuture<'static, ()> {
        let (done, stopped) = oneshot::channel();
        let sent = self.0.try_send(ShardOrder::Stop(shard, done));
        async move {
            if sent.is_err() || stopped.await.is_err() {
                // The host is ending, and its accounts end by themselves; then the member leaves.
                std::future::pending::<()>().await;
            }
        }
        .boxed()
    }
}

impl PreparedCluster {
    /// Connects to the stores of the cluster, if the host is to be in one.
    pub(super) async fn connect(config: Option<&ClusterConfig>) -> anyhow::Result<Option<Self>> {
        let Some(config) = config else { return Ok(None) };
        let fences = ShardFences::default();
        let stores = connect(config, Arc::new(fences.clone())).await?;
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let process = u64::try_from(started.as_micros()).unwrap_or(u64::MAX);
        let id = MemberId::new(MemberName::new(&config.name)?, process);
        let user_news = UserNews::start(Arc::clone(&stores.messages), &id);
        Ok(Some(Self { lease_ttl: config.lease_ttl, fences, stores, id, user_news }))
    }

    /// Returns the store of the cursors, which all members share.
    pub(super) fn store(&self) -> Store {
        Store::Cluster(Arc::clone(&self.stores.cursors))
    }

    /// Returns the fence of the accounts.
    pub(super) fn fence(&self) -> Arc<dyn AccountFence> {
        Arc::new(self.fences.clone())
    }

    /// Returns the way to tell the other members what accounts hear about users.
    pub(super) fn witness_relay(&self) -> Arc<dyn WitnessRelay> {
        self.user_news.relay()
    }

    /// Joins the cluster, and takes actions for its accounts if there is a queue of them.
    pub(super) fn join(
        self,
        config: &Config,
        poster: &Arc<dyn Poster>,
        known: KnownAccounts,
        observer: &Observer,
    ) -> (ClusterMember, OwnedShards) {
        let ClusterStores { membership, messages, actions, release, .. } = self.stores;
        let (mut member, orders) =
            ClusterMember::join(self.lease_ttl, self.id, membership, messages, self.user_news);
        member.actions =
            actions.map(|queue| QueuedActions::start(queue, Arc::clone(poster), Arc::new(known)));
        member.handle.actions = member.actions.as_ref().map(QueuedActions::view);
        let look = member.actions.as_ref().map(QueuedActions::look);
        let observer = observer.clone();
        let starting = StartingAccounts::new(Box::new(move || observer.subscribe()));
        let shards = OwnedShards::new(config, self.fences, orders, &member.handle, starting, release)
            .with_actions(look);
        (member, shards)
    }
}

impl ClusterMember {
    /// Joins the cluster. The orders go to the returned receiver.
    fn join(
        lease_ttl: Duration,
        id: MemberId,
        membership: Arc<dyn Membership>,
        messages: Arc<dyn MemberMessages>,
        user_news: UserNews,
    ) -> (Self, mpsc::Receiver<ShardOrder>) {
        let settings = ClusterSettings { lease_ttl, shards: SHARDS, most_moving: MOST_MOVING };
        let record = MemberRecord { version: version::VERSION.into(), draining: false };
        let (orders, receiver) = mpsc::channel(MAX_ORDERS);
        let coordinator = Coordinator::new(settings, id.clone(), record);
        let (member, status) = MemberLoop::new(coordinator, membership, OrderSender(orders));
        let (requests, requested) = mpsc::channel(MAX_REQUESTS);
        let task = tokio::spawn(member.run(requested));
        let handle = ClusterHandle { id, messages, status, requests, actions: None, user_news };
        (Self { handle, actions: None, task }, receiver)
    }

    /// Returns the handle for operators.
    pub(super) fn handle(&self) -> ClusterHandle {
        self.handle.clone()
    }

    /// Returns the questions of the other members on a topic.
    pub(super) fn questions(&self, topic: Topic) -> Questions {
        self.handle.messages.questions(&self.handle.id, topic)
    }

    /// Returns the news about users that members tell each other.
    pub(super) fn user_news(&self) -> UserNews {
        self.handle.user_news.clone()
    }

    /// Leaves the cluster, after the accounts have stopped. Without an answer in time the lease ends by itself.
    pub(super) async fn leave(self, until: Instant) {
        let leave = async {
            // An error means that the loop has ended.
            let _ = self.handle.requests.send(MemberRequest::Leave).await;
            let _ = self.task.await;
        };
        if timeout_at(until, leave).await.is_err() {
            tracing::warn!("cannot leave the cluster in time; the others take over when the lease ends");
        }
    }
}

/// Returns the poster of the accounts' replies. In a cluster it knows which accounts may act here.
pub(super) fn poster(supervisor: &Addr<Supervisor>, cluster: Option<&PreparedCluster>) -> Arc<dyn Poster> {
    match cluster {
        Some(cluster) => Arc::new(FencedPoster { supervisor: supervisor.clone(), fence: cluster.fence() }),
        None => Arc::new(supervisor.clone()),
    }
}

/// A poster that knows which accounts may act here.
struct FencedPoster {
    supervisor: Addr<Supervisor>,
    fence: Arc<dyn AccountFence>,
}

impl Poster for FencedPoster {
    fn post(
        &self,
        account: &AccountName,
        order: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        self.supervisor.post(account, order)
    }

    fn may_act(&self, account: &AccountName) -> bool {
        self.fence.is_open(account)
    }

    fn is_hosted(&self, account: &AccountName) -> BoxFuture<'static, bool> {
        self.supervisor.is_hosted(account)
    }

    fn can_send(&self, account: &AccountName) -> BoxFuture<'static, bool> {
        self.supervisor.can_send(account)
    }

    fn user_called(&self, account: &AccountName, channel: &ChannelId, user: &UserId) {
        self.supervisor.user_called(account, channel, user);
    }

    fn look_up(
        &self,
        account: &AccountName,
        lookup: Lookup,
    ) -> BoxFuture<'static, Result<Found, ReplyError>> {
        self.supervisor.look_up(account, lookup)
    }

    fn open_file(
        &self,
        account: &AccountName,
        id: FileId,
    ) -> BoxFuture<'static, Result<FileDownload, ReplyError>> {
        self.supervisor.open_file(account, id)
    }

    fn server_limits(&self, account: &AccountName) -> BoxFuture<'static, Result<ServerLimits, ReplyError>> {
        self.supervisor.server_limits(account)
    }
}
