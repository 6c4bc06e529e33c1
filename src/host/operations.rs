//! The host's operations for the admin API.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix::Addr;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join},
};
use matterhost_actors::{
    hosting::{ListAccounts, ListServers, Supervisor},
    model::AccountName,
};
use parking_lot::RwLock;
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    account_changes::AccountChange,
    cluster::{ClusterHandle, HostMembers},
    known_accounts::KnownAccounts,
    reload::{ReloadError, Reloader},
    sinks::HostSinks,
};
use crate::{
    admin::{
        dto::{self, AccountSettings},
        server::{Operations, OtherMembers, ReloadRefused, SinkOperations},
    },
    config::{AccountRefused, Config, ConfigDiff, ServerConfig},
    telemetry::{
        logging::LogLevelHandle,
        metrics::{Format, Metrics},
    },
};

/// Time limit for the Supervisor's answer: half of Prometheus' default scrape timeout.
const SUPERVISOR_TIMEOUT: Duration = Duration::from_secs(5);

/// The implementation of [`Operations`] for a running host.
pub(super) struct HostOperations {
    /// URLs of the current servers, by name.
    urls: RwLock<HashMap<String, String>>,
    /// The current accounts.
    accounts: KnownAccounts,
    level: LogLevelHandle,
    metrics: Metrics,
    supervisor: Addr<Supervisor>,
    reloader: Reloader,
    sinks: OnceLock<Arc<HostSinks>>,
    cluster: OnceLock<ClusterHandle>,
}

impl HostOperations {
    pub(super) fn new(
        level: LogLevelHandle,
        metrics: Metrics,
        supervisor: Addr<Supervisor>,
        reloader: Reloader,
    ) -> Self {
        Self {
            urls: RwLock::default(),
            accounts: KnownAccounts::default(),
            level,
            metrics,
            supervisor,
            reloader,
            sinks: OnceLock::new(),
            cluster: OnceLock::new(),
        }
    }

    /// Returns the accounts of the running configuration.
    pub(super) fn known_accounts(&self) -> KnownAccounts {
        self.accounts.clone()
    }

    /// Sets the membership, once the host has one.
    pub(super) fn set_cluster(&self, cluster: ClusterHandle) {
        // It is set once.
        let _ = self.cluster.set(cluster);
    }

    /// Sets the sinks, once they run.
    pub(super) fn set_sinks(&self, sinks: HostSinks) {
        // They are set once.
        let _ = self.sinks.set(Arc::new(sinks));
    }

    /// Updates the URLs and the sources of the accounts to those of a new configuration.
    pub(super) fn set_config(&self, config: &Config) {
        let url = |server: &ServerConfig| (server.name.to_string(), server.client.url().to_string());
        *self.urls.write() = config.servers.iter().map(url).collect();
        self.accounts.set(&config.accounts, config.host.replies.deadline);
    }
}

impl Operations for HostOperations {
    fn server_url(&self, server: &str) -> Option<String> {
        self.urls.read().get(server).cloned()
    }

    fn account_source(&self, account: &AccountName) -> Option<String> {
        self.accounts.source(account)
    }

    fn change_account(
        &self,
        account: AccountName,
        settings: Option<AccountSettings>,
    ) -> BoxFuture<'static, Result<ConfigDiff, AccountRefused>> {
        let reloader = self.reloader.clone();
        let change = settings.map_or(AccountChange::Remove, |settings| AccountChange::Put(settings.into()));
        async move { reloader.change_account(account, change).await }.boxed()
    }

    fn metrics(&self, format: Format) -> BoxFuture<'static, Result<String, String>> {
        let (metrics, supervisor) = (self.metrics.clone(), self.supervisor.clone());
        if let Some(cluster) = self.cluster.get() {
            metrics.set_cluster(cluster.measure());
        }
        async move {
            let (accounts, servers) = timeout(
                SUPERVISOR_TIMEOUT,
                join(supervisor.send(ListAccounts), supervisor.send(ListServers)),
            )
            .await
            .map_err(|_| "the Supervisor does not answer".to_owned())?;
            let stopped = |_| "the Supervisor has stopped".to_owned();
            let (accounts, servers) = (accounts.map_err(stopped)?, servers.map_err(stopped)?);
            // Ten thousand accounts make several megabytes of text, which must not block other requests.
            let text = spawn_blocking(move || metrics.render(format, accounts, servers));
            text.await.map_err(|error| error.to_string())
        }
        .boxed()
    }

    fn log_level(&self) -> String {
        self.level.get()
    }

    fn set_log_level(&self, level: &str) -> Result<(), String> {
        self.level.set(level).map_err(|problem| problem.to_string())
    }

    fn cluster(&self) -> Option<dto::Cluster> {
        let cluster = self.cluster.get()?;
        Some(cluster.describe(&self.accounts.names()))
    }

    fn member(&self) -> Option<String> {
        Some(self.cluster.get()?.name().to_owned())
    }

    fn members(&self) -> Option<Arc<dyn OtherMembers>> {
        let cluster = self.cluster.get()?.clone();
        Some(Arc::new(HostMembers { cluster, accounts: self.accounts.clone() }))
    }

    fn unready_member(&self) -> Option<&'static str> {
        self.cluster.get()?.unready()
    }

    fn set_draining(&self, draining: bool) -> Option<Result<(), String>> {
        Some(self.cluster.get()?.set_draining(draining))
    }

    fn rebalance(&self) -> Option<BoxFuture<'static, Result<dto::PlannedMoves, String>>> {
        let cluster = self.cluster.get()?.clone();
        Some(async move { cluster.rebalance().await }.boxed())
    }

    fn sinks(&self) -> Option<Arc<dyn SinkOperations>> {
        Some(Arc::clone(self.sinks.get()?) as _)
    }

    fn reload(&self, apply: bool) -> BoxFuture<'static, Result<ConfigDiff, ReloadRefused>> {
        let reloader = self.reloader.clone();
        async move {
            let result = if apply { reloader.reload().await } else { reloader.preview().await };
            result.map_err(|error| refused(&error))
        }
        .boxed()
    }
}

fn refused(error: &ReloadError) -> ReloadRefused {
    let problems = match error {
        ReloadError::InvalidConfig(invalid) => invalid.problems.clone(),
        ReloadError::ShuttingDown => Vec::new(),
    };
    let detail = match error {
        ReloadError::InvalidConfig(_) => "the configuration is invalid; nothing was changed".to_owned(),
        ReloadError::ShuttingDown => error.to_string(),
    };
    ReloadRefused { detail, problems: problems.into_iter().map(Into::into).collect() }
}
