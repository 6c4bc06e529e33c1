//! The admin API and its page for the demo.

use std::sync::Arc;

use anyhow::Context as _;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, ready},
};

use super::scene::Scene;
use crate::{
    admin::server::{Access, AdminServer, Backend, Listener, Operations, ReloadRefused, SinkOperations},
    config::ConfigDiff,
    host::HostSinks,
    telemetry::metrics::{Format, Metrics},
};

/// The served page.
pub(super) struct Page {
    pub(super) server: AdminServer,
    /// A link that opens it once.
    pub(super) link: String,
}

/// Serves the page; `None` if the default address is in use.
///
/// # Errors
/// If it cannot be served at an address that was asked for.
pub(super) fn serve(scene: &Scene) -> anyhow::Result<Option<Page>> {
    let config = &scene.config.admin;
    let listener = match Listener::bind(config) {
        Ok(Some(listener)) => listener,
        Err(error) if error.explicit => return Err(error).context("choose another address with --admin"),
        Ok(None) | Err(_) => return Ok(None),
    };
    let sinks = Arc::new(HostSinks::new(scene.sinks.board().clone(), scene.supervisor.clone()));
    let operations = Arc::new(DemoOperations { url: scene.simulator.url().to_owned(), sinks });
    let access = Access::prepare(config).context("cannot make a token for the page")?;
    let backend = Backend::new(config, access, scene.supervisor.clone(), &scene.observer, operations);
    let link = backend.page_link(&listener.url()).context("cannot make a link to the page")?;
    let server = AdminServer::start(listener, backend).context("cannot serve the page")?;
    Ok(Some(Page { server, link }))
}

/// The operations of the demo, which has no configuration and no log.
struct DemoOperations {
    url: String,
    sinks: Arc<HostSinks>,
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

    fn sinks(&self) -> Option<Arc<dyn SinkOperations>> {
        Some(Arc::clone(&self.sinks) as _)
    }

    fn reload(&self, _: bool) -> BoxFuture<'static, Result<ConfigDiff, ReloadRefused>> {
        let refused = ReloadRefused { detail: "the demo has no configuration".into(), problems: Vec::new() };
        ready(Err(refused)).boxed()
    }
}
