//! The store of a cluster in NATS.

mod action_stream;
mod bucket_watch;
mod buckets;
mod cursors;
mod nats_actions;
mod nats_messages;
mod stored_message;

pub use cursors::NatsCursors;
pub use nats_actions::NatsActions;
pub use nats_messages::NatsMessages;

use std::{sync::Arc, time::Duration};

use async_nats::{
    Client,
    connection::State,
    jetstream::kv::{CreateErrorKind, Store, UpdateErrorKind},
};
use futures_util::future::FutureExt as _;
use matterhost_actors::{model::Excerpt, ports::AccountFence};
use serde::Serialize;
use tokio::{sync::mpsc, time::timeout};

use self::buckets::Buckets;
use super::{
    ClusterChange, LeaseRequest, LeaseTiming, MemberId, MemberRecord, Membership, Revision, ShardId,
    ShardRecord, WriteError,
    membership_port::{WATCH_QUEUE, WriteFuture},
};
use crate::{
    config::{ClusterConfig, NatsAccess},
    nats::{NatsError, connect},
};

/// The value of a key that was put in the place of a member that has ended.
const BURIED: &str = "ended";

/// The settings of the connection, and of the buckets.
#[derive(Debug, Clone)]
pub struct NatsSettings {
    /// The servers, and the way to them.
    pub access: NatsAccess,
    /// The beginning of the buckets' names.
    pub prefix: String,
    /// The number of servers that hold each bucket.
    pub replicas: usize,
    /// The name of the connection that the servers show.
    pub name: String,
}

impl NatsSettings {
    /// Returns the settings of a configuration.
    pub fn of(config: &ClusterConfig) -> Self {
        Self {
            access: config.access.clone(),
            prefix: config.prefix.clone(),
            replicas: config.replicas,
            name: format!("matterhost {}", config.name),
        }
    }

    /// Connects. Answers to the member come to inboxes that no client may name for its own.
    async fn connect(&self) -> Result<Client, NatsError> {
        connect(&self.access, &self.name, Some(&format!("{}.member.inbox", self.prefix))).await
    }
}

/// The members and shards of a cluster, in two buckets of NATS. Clones share the connection.
#[derive(Debug, Clone)]
pub struct NatsMembership {
    client: Client,
    members: Store,
    shards: Store,
    /// The time limit of a write.
    limit: Duration,
}

/// The stores of a cluster, with one connection to NATS.
#[derive(Debug, Clone)]
pub struct NatsCluster {
    /// The members and shards.
    pub membership: NatsMembership,
    /// The read positions of the accounts.
    pub cursors: NatsCursors,
    /// The way to the other members.
    pub messages: NatsMessages,
}

impl NatsCluster {
    /// Connects, and creates the buckets or checks their settings. Read positions are written only while the fence is open.
    ///
    /// # Errors
    /// The same as [`NatsMembership::connect`].
    pub async fn connect(
        settings: &NatsSettings,
        lease_ttl: Duration,
        fence: Arc<dyn AccountFence>,
    ) -> Result<Self, NatsError> {
        let client = settings.connect().await?;
        let buckets = buckets::open(&client, settings, lease_ttl).await?;
        let cursors = NatsCursors::new(client.clone(), buckets.cursors.clone(), fence);
        let messages = NatsMessages::new(client.clone(), &settings.prefix);
        Ok(Self { membership: NatsMembership::of(client, buckets, lease_ttl), cursors, messages })
    }

    /// Opens the queue of actions, which have so many bytes at most and whose results go to inboxes that begin with one of these texts.
    ///
    /// # Errors
    /// Fails if its stream cannot be used, or is none of this program.
    pub async fn open_actions(
        &self,
        settings: &NatsSettings,
        inboxes: &[String],
        most_bytes: usize,
    ) -> Result<NatsActions, NatsError> {
        NatsActions::open(self.membership.client.clone(), settings, inboxes, most_bytes).await
    }
}

impl NatsMembership {
    /// Connects, and creates the buckets or checks their settings.
    ///
    /// # Errors
    /// Fails if no server answers or accepts the credentials, if the servers are too old or do not store anything, or if a
    /// bucket has settings that do not fit.
    pub async fn connect(settings: &NatsSettings, lease_ttl: Duration) -> Result<Self, NatsError> {
        let client = settings.connect().await?;
        let buckets = buckets::open(&client, settings, lease_ttl).await?;
        Ok(Self::of(client, buckets, lease_ttl))
    }

    fn of(client: Client, buckets: Buckets, lease_ttl: Duration) -> Self {
        let limit = LeaseTiming::new(lease_ttl).renew_every;
        Self { client, members: buckets.members, shards: buckets.shards, limit }
    }

    /// Runs a write within its time limit. Without a connection it is not tried, because the client would keep it and
    /// send it much later.
    fn write_now<F>(&self, write: F) -> WriteFuture
    where
        F: Future<Output = Result<u64, WriteError>> + Send + 'static,
    {
        let (is_connected, limit) = (self.client.connection_state() == State::Connected, self.limit);
        async move {
            if !is_connected {
                return Err(WriteError::Unavailable("there is no connection to NATS".into()));
            }
            let late = |_| WriteError::Unavailable(format!("no answer within {limit:?}"));
            timeout(limit, write).await.map_err(late)?.map(Revision)
        }
        .boxed()
    }

    fn update(
        &self,
        bucket: &Store,
        key: String,
        record: &impl Serialize,
        expected: Revision,
    ) -> WriteFuture {
        let (bucket, json) = (bucket.clone(), serde_json::to_vec(record));
        self.write_now(async move {
            let json = json.map_err(|error| unavailable(&error))?;
            bucket.update(key, json.into(), expected.0).await.map_err(|error| match error.kind() {
                UpdateErrorKind::WrongLastRevision => WriteError::Conflict,
                UpdateErrorKind::TimedOut | UpdateErrorKind::InvalidKey | UpdateErrorKind::Other => {
                    unavailable(&error)
                }
            })
        })
    }

    fn leave(&self, id: &MemberId) -> WriteFuture {
        let (bucket, key) = (self.members.clone(), id.to_string());
        self.write_now(async move {
            let deleted = bucket.delete(key).await;
            deleted.map(|()| Revision::default().0).map_err(|error| unavailable(&error))
        })
    }
}

/// Describes a failure, of which the server wrote a part.
fn unavailable(error: &dyn std::fmt::Display) -> WriteError {
    WriteError::Unavailable(Excerpt::of(error).to_string())
}

impl Membership for NatsMembership {
    fn change_lease(&self, request: LeaseRequest) -> WriteFuture {
        let renew = |id: MemberId, record: MemberRecord, expected| {
            self.update(&self.members, id.to_string(), &record, expected)
        };
        match request {
            LeaseRequest::Join(id, record) => renew(id, record, Revision::default()),
            LeaseRequest::Renew(id, record, expected) => renew(id, record, expected),
            LeaseRequest::Leave(id) => self.leave(&id),
        }
    }

    fn bury(&self, id: MemberId) -> WriteFuture {
        let bucket = self.members.clone();
        self.write_now(async move {
            // It also replaces the mark of a key that has expired.
            bucket.create(id.to_string(), BURIED.into()).await.map_err(|error| match error.kind() {
                CreateErrorKind::AlreadyExists => WriteError::Conflict,
                CreateErrorKind::InvalidKey
                | CreateErrorKind::Publish
                | CreateErrorKind::Ack
                | CreateErrorKind::Other => unavailable(&error),
            })
        })
    }

    fn write(&self, shard: ShardId, record: ShardRecord, expected: Revision) -> WriteFuture {
        self.update(&self.shards, shard.to_string(), &record, expected)
    }

    fn watch(&self) -> mpsc::Receiver<ClusterChange> {
        let (sender, receiver) = mpsc::channel(WATCH_QUEUE);
        tokio::spawn(bucket_watch::run(self.members.clone(), self.shards.clone(), sender));
        receiver
    }
}
