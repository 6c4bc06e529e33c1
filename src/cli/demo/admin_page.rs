//! The page of the admin API, on the demo's own bots.

use std::sync::Arc;

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, ready},
};

use super::scene::Scene;
use crate::{
    admin::server::{AdminServer, Backend, Listener, Operations, ReloadRefused},
    config::{AdminConfig, ConfigDiff},
    telemetry::metrics::{Format, Metrics},
};

/// Serves the page at the usual place, and gives back where that is; `None` when it is taken, or cannot be had.
pub(super) fn serve(scene: &Scene) -> Option<(AdminServer, String)> {
    let config = AdminConfig::default();
    let listener = Listener::bind(&config).ok().flatten()?;
    let url = listener.url();
    let played = Arc::new(Played { url: scene.simulator.url().to_owned() });
    let backend = Backend::new(&config, scene.supervisor.clone(), &scene.observer, played);
    Some((AdminServer::start(listener, backend).ok()?, url))
}

/// What a demo has to say beyond its bots: it has no configuration and no log.
struct Played {
    url: String,
}

impl Operations for Played {
    fn server_url(&self, _: &str) -> Option<String> {
        Some(self.url.clone())
    }

    fn metrics(&self, format: Format) -> BoxFuture<'static, Result<String, String>> {
        ready(Ok(Metrics::new(true).render(format, Vec::new(), Vec::new()))).boxed()
    }

    fn log_level(&self) -> String {
        "off".into()
    }

    fn set_log_level(&self, _: &str) -> Result<(), String> {
        Err("a demo logs nothing".into())
    }

    fn reload(&self, _: bool) -> BoxFuture<'static, Result<ConfigDiff, ReloadRefused>> {
        let refused = ReloadRefused { detail: "a demo has no configuration".into(), problems: Vec::new() };
        ready(Err(refused)).boxed()
    }
}
