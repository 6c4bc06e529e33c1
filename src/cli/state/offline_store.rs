//! A store that no running host holds: that of a directory, or that of a cluster whose members have stopped.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, bail};
use matterhost_actors::{
    model::AccountName,
    ports::CursorStore,
    store::{self, DiskSettings, DiskStore, StoreStatus},
};

use crate::config::{ClusterConfig, Config, StateConfig};

/// The words for a configuration whose state is in memory.
pub(super) const NOT_STORED: &str = "no state is stored: state.store is memory; name a directory with --dir";

/// The location of a store.
pub(super) enum StoreLocation {
    Disk(PathBuf),
    Cluster(Box<ClusterConfig>),
}

/// A store that no running host holds.
pub(super) enum OfflineStore {
    Disk(DiskStore),
    #[cfg(feature = "cluster")]
    Cluster(Box<crate::cluster::NatsCluster>),
}

impl StoreLocation {
    /// Returns the location that a configuration names.
    pub(super) fn of(config: &Config) -> anyhow::Result<Self> {
        match (&config.cluster, &config.state) {
            (Some(cluster), _) => Ok(Self::Cluster(Box::new(cluster.clone()))),
            (None, StateConfig::Disk { dir, .. }) => Ok(Self::Disk(dir.clone())),
            (None, StateConfig::Memory) => bail!(NOT_STORED),
        }
    }
}

impl OfflineStore {
    /// Opens a store. Only an import creates one.
    pub(super) async fn open(location: &StoreLocation, creates: bool) -> anyhow::Result<Self> {
        match location {
            StoreLocation::Disk(dir) => {
                match store::inspect(dir)? {
                    StoreStatus::InUse => bail!(
                        "a matterhost is running from {}; stop it first, because it holds the state",
                        dir.display()
                    ),
                    StoreStatus::New if !creates => bail!("no state is stored in {}", dir.display()),
                    StoreStatus::New | StoreStatus::Usable => {}
                }
                Ok(Self::Disk(DiskStore::open(dir, DiskSettings::default())?))
            }
            StoreLocation::Cluster(config) => Box::pin(Self::connect(config)).await,
        }
    }

    #[cfg(feature = "cluster")]
    async fn connect(config: &ClusterConfig) -> anyhow::Result<Self> {
        use crate::cluster::{NatsCluster, NatsSettings};
        let settings = NatsSettings { name: "matterhost state".into(), ..NatsSettings::of(config) };
        let cluster = NatsCluster::connect(&settings, config.lease_ttl, Arc::new(OpenFence)).await?;
        let store = Self::Cluster(Box::new(cluster));
        store.check_is_alone().await?;
        Ok(store)
    }

    /// Fails: the configuration refuses a cluster in such a program.
    #[cfg(not(feature = "cluster"))]
    async fn connect(_: &ClusterConfig) -> anyhow::Result<Self> {
        bail!("this program was built without clusters; build with --features cluster")
    }

    /// Fails if a member of the cluster runs. A directory is locked meanwhile.
    pub(super) async fn check_is_alone(&self) -> anyhow::Result<()> {
        match self {
            Self::Disk(_) => Ok(()),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => {
                use crate::cluster::{ClusterChange, Membership as _};
                let mut changes = cluster.membership.watch();
                let mut live = std::collections::BTreeSet::new();
                loop {
                    let change = tokio::time::timeout(LOAD_LIMIT, changes.recv()).await;
                    match change
                        .ok()
                        .flatten()
                        .context("NATS does not show the members of the cluster in time")?
                    {
                        ClusterChange::MemberRenewed(id, ..) => drop(live.insert(id.name().to_string())),
                        ClusterChange::MemberGone(_) | ClusterChange::ShardChanged(..) => {}
                        ClusterChange::Loaded if live.is_empty() => return Ok(()),
                        ClusterChange::Loaded => bail!(
                            "members of the cluster run: {}; stop them first, because they hold the state. One that was \
                             killed is gone after cluster.lease_ttl",
                            live.into_iter().collect::<Vec<_>>().join(", ")
                        ),
                    }
                }
            }
        }
    }

    /// Returns the store as its port.
    pub(super) fn cursors(&self) -> Arc<dyn CursorStore> {
        match self {
            Self::Disk(store) => Arc::new(store.clone()),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => Arc::new(cluster.cursors.clone()),
        }
    }

    /// Returns the accounts with state, by name.
    pub(super) async fn accounts(&self, location: &StoreLocation) -> anyhow::Result<Vec<AccountName>> {
        match (self, location) {
            #[cfg(feature = "cluster")]
            (Self::Cluster(cluster), _) => Ok(cluster.cursors.accounts().await?),
            (Self::Disk(_), StoreLocation::Disk(dir)) => {
                let names = store::list(dir)?.into_iter().map(|stored| AccountName::new(&stored.account));
                names.collect::<Result<_, _>>().context("a stored account has no valid name")
            }
            (Self::Disk(_), StoreLocation::Cluster(_)) => Ok(Vec::new()),
        }
    }

    /// Drops what the store keeps in memory of an account.
    pub(super) fn release(&self, account: &AccountName) {
        match self {
            Self::Disk(_) => {}
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.cursors.release(account),
        }
        let _ = account;
    }

    /// Closes the store.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Disk(store) => Ok(store.close().await?),
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => Ok(()),
        }
    }
}

/// The wait for the next of the members and shards that NATS has.
#[cfg(feature = "cluster")]
const LOAD_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// The fence of a program that runs while no member does.
#[cfg(feature = "cluster")]
struct OpenFence;

#[cfg(feature = "cluster")]
impl matterhost_actors::ports::AccountFence for OpenFence {
    fn is_open(&self, _: &AccountName) -> bool {
        true
    }
}
