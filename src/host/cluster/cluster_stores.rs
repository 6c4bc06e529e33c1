//! The connection to the stores of the cluster.

use std::sync::Arc;

use matterhost_actors::{
    model::AccountName,
    ports::{AccountFence, CursorStore},
};

use crate::{
    cluster::{ActionQueue, MemberMessages, Membership},
    config::ClusterConfig,
};

/// The stores of the cluster.
pub(in crate::host) struct ClusterStores {
    pub(in crate::host) membership: Arc<dyn Membership>,
    pub(in crate::host) cursors: Arc<dyn CursorStore>,
    /// The queue of actions, if there is one.
    pub(in crate::host) actions: Option<Arc<dyn ActionQueue>>,
    /// The way to the other members.
    pub(in crate::host) messages: Arc<dyn MemberMessages>,
    /// Drops what the cursors' store keeps in memory of an account that has left.
    pub(in crate::host) release: Box<dyn Fn(&AccountName) + Send>,
}

/// Connects to NATS. Read positions are written only while the fence is open.
#[cfg(feature = "cluster")]
pub(in crate::host) async fn connect(
    config: &ClusterConfig,
    fence: Arc<dyn AccountFence>,
) -> anyhow::Result<ClusterStores> {
    use crate::{
        actions::MAX_ACTIONS_BYTES,
        cluster::{NatsCluster, NatsSettings},
    };
    let settings = NatsSettings::of(config);
    let cluster = NatsCluster::connect(&settings, config.lease_ttl, fence).await?;
    let actions = match config.actions.then_some(&config.action_inboxes) {
        Some(inboxes) => Some(cluster.open_actions(&settings, inboxes, MAX_ACTIONS_BYTES).await?),
        None => None,
    };
    let NatsCluster { membership, cursors, messages } = cluster;
    tracing::info!(member = config.name, prefix = config.prefix, "cursors are kept in NATS JetStream");
    let released = cursors.clone();
    Ok(ClusterStores {
        membership: Arc::new(membership),
        cursors: Arc::new(cursors),
        actions: actions.map(|actions| Arc::new(actions) as _),
        messages: Arc::new(messages),
        release: Box::new(move |account| released.release(account)),
    })
}

/// Fails: the configuration refuses a cluster in such a program.
#[cfg(not(feature = "cluster"))]
pub(in crate::host) async fn connect(
    _: &ClusterConfig,
    _: Arc<dyn AccountFence>,
) -> anyhow::Result<ClusterStores> {
    anyhow::bail!("this program was built without clusters; build with --features cluster")
}
