//! What the program does for the admin API beyond hosting.

use std::{collections::HashMap, time::Duration};

use actix::Addr;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join, ready},
};
use matterhost_actors::actors::{List, ListServers, Supervisor};
use tokio::{task::spawn_blocking, time::timeout};

use crate::{
    admin::{Operations, ReloadRefused},
    config::Config,
    logging::LogLevel,
    metrics::{Format, Metrics},
};

/// How long the Supervisor may take to answer; half of what a scraper waits by default.
const ASK_WITHIN: Duration = Duration::from_secs(5);

/// What the program does for the admin API.
pub(super) struct Running {
    urls: HashMap<String, String>,
    level: LogLevel,
    metrics: Metrics,
    supervisor: Addr<Supervisor>,
}

impl Running {
    pub(super) fn new(
        config: &Config,
        level: LogLevel,
        metrics: Metrics,
        supervisor: Addr<Supervisor>,
    ) -> Self {
        let url =
            |server: &crate::config::ServerConfig| (server.name.to_string(), server.client.url().to_string());
        Self { urls: config.servers.iter().map(url).collect(), level, metrics, supervisor }
    }
}

impl Operations for Running {
    fn server_url(&self, server: &str) -> Option<String> {
        self.urls.get(server).cloned()
    }

    fn metrics(&self, format: Format) -> BoxFuture<'static, Result<String, String>> {
        let (metrics, supervisor) = (self.metrics.clone(), self.supervisor.clone());
        async move {
            let (accounts, servers) =
                timeout(ASK_WITHIN, join(supervisor.send(List), supervisor.send(ListServers)))
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

    fn reload(&self, _apply: bool) -> BoxFuture<'static, Result<serde_json::Value, ReloadRefused>> {
        ready(Err(ReloadRefused { detail: "not yet".into(), problems: Vec::new() })).boxed()
    }
}
