//! What the program does for the admin API beyond hosting.

use std::collections::HashMap;

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, ready},
};

use crate::{
    admin::{Operations, ReloadRefused},
    config::Config,
    logging::LogLevel,
};

/// What the program does for the admin API.
pub(super) struct Running {
    urls: HashMap<String, String>,
    level: LogLevel,
}

impl Running {
    pub(super) fn new(config: &Config, level: LogLevel) -> Self {
        let url =
            |server: &crate::config::ServerConfig| (server.name.to_string(), server.client.url().to_string());
        Self { urls: config.servers.iter().map(url).collect(), level }
    }
}

impl Operations for Running {
    fn server_url(&self, server: &str) -> Option<String> {
        self.urls.get(server).cloned()
    }

    fn metrics(&self) -> BoxFuture<'static, Result<String, String>> {
        ready(Ok("# EOF\n".to_owned())).boxed()
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
