//! What the program does for the admin API beyond hosting.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use actix::Addr;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join},
};
use matterhost_actors::hosting::{ListAccounts, ListServers, Supervisor};
use tokio::{task::spawn_blocking, time::timeout};

use super::reload::{ReloadError, Reloader};
use crate::{
    admin::{
        dto::ConfigProblem,
        server::{Operations, ReloadRefused},
    },
    config::{Config, ConfigDiff, Problem, ServerConfig},
    telemetry::{
        logging::LogLevelHandle,
        metrics::{Format, Metrics},
    },
};

/// How long the Supervisor may take to answer; half of what a scraper waits by default.
const ASK_WITHIN: Duration = Duration::from_secs(5);

/// What the program does for the admin API.
pub(super) struct HostOperations {
    /// The addresses of the servers that are hosted now.
    urls: RwLock<HashMap<String, String>>,
    level: LogLevelHandle,
    metrics: Metrics,
    supervisor: Addr<Supervisor>,
    reloader: Reloader,
}

impl HostOperations {
    pub(super) fn new(
        level: LogLevelHandle,
        metrics: Metrics,
        supervisor: Addr<Supervisor>,
        reloader: Reloader,
    ) -> Self {
        Self { urls: RwLock::default(), level, metrics, supervisor, reloader }
    }

    /// That is hosted from now on.
    pub(super) fn set_config(&self, config: &Config) {
        let url = |server: &ServerConfig| (server.name.to_string(), server.client.url().to_string());
        // A panic while it was held leaves a map that is whole.
        *self.urls.write().unwrap_or_else(PoisonError::into_inner) = config.servers.iter().map(url).collect();
    }
}

impl Operations for HostOperations {
    fn server_url(&self, server: &str) -> Option<String> {
        self.urls.read().unwrap_or_else(PoisonError::into_inner).get(server).cloned()
    }

    fn metrics(&self, format: Format) -> BoxFuture<'static, Result<String, String>> {
        let (metrics, supervisor) = (self.metrics.clone(), self.supervisor.clone());
        async move {
            let (accounts, servers) =
                timeout(ASK_WITHIN, join(supervisor.send(ListAccounts), supervisor.send(ListServers)))
                    .await
                    .map_err(|_| "the Supervisor does not answer".to_owned())?;
            let gone = |_| "the Supervisor is gone".to_owned();
            let (accounts, servers) = (accounts.map_err(gone)?, servers.map_err(gone)?);
            // Ten thousand accounts are some megabytes of text: whoever else asks is not to wait for them.
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

    fn reload(&self, apply: bool) -> BoxFuture<'static, Result<ConfigDiff, ReloadRefused>> {
        let reloader = self.reloader.clone();
        async move {
            let done = if apply { reloader.reload().await } else { reloader.preview().await };
            done.map_err(|error| refused(&error))
        }
        .boxed()
    }
}

fn refused(error: &ReloadError) -> ReloadRefused {
    let problems = match error {
        ReloadError::InvalidConfig(refused) => refused.problems.clone(),
        ReloadError::ShuttingDown => Vec::new(),
    };
    let finding = |Problem { key, message, remedy, .. }| ConfigProblem { key, problem: message, remedy };
    let detail = match error {
        ReloadError::InvalidConfig(_) => {
            "the configuration cannot be used; everything goes on as it was".to_owned()
        }
        ReloadError::ShuttingDown => error.to_string(),
    };
    ReloadRefused { detail, problems: problems.into_iter().map(finding).collect() }
}
