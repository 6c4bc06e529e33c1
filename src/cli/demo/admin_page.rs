//! The admin API and its page for the demo.

use std::sync::Arc;

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, ready},
};

use super::scene::Scene;
use crate::{
    admin::server::{Access, AdminServer, Backend, Listener, Operations, ReloadRefused},
    config::{AdminConfig, ConfigDiff},
    telemetry::metrics::{Format, Metrics},
};

/// Serves the page at the default address and returns a link that opens it once; `None` if the address is not available.
pub(super) fn serve(scene: &Scene) -> Option<(AdminServer, String)> {
    let config = AdminConfig::default();
    let listener = Listener::bind(&config).ok().flatten()?;
    let operations = Arc::new(DemoOperations { url: scene.simulator.url().to_owned() });
    let access = Access::prepare(&config).ok()?;
    let backend = Backend::new(&config, access, scene.supervisor.clone(), &scene.observer, operations);
    let link = backend.page_link(&listener.url()).ok()?;
    Some((AdminServer::start(listener, backend).ok()?, link))
}

/// The operations of the demo, which has no configuration and no log.
struct DemoOperations {
    url: String,
}

impl Operations for DemoOperations {
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
        Err("the demo has no log".into())
    }

    fn reload(&self, _: bool) -> BoxFuture<'static, Result<ConfigDiff, ReloadRefused>> {
        let refused = ReloadRefused { detail: "the demo has no configuration".into(), problems: Vec::new() };
        ready(Err(refused)).boxed()
    }
}
