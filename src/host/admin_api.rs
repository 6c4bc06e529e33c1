//! The admin API of the host, from its address to its start.

use std::sync::Arc;

use actix::Addr;
use anyhow::Context as _;
use matterhost_actors::{
    hosting::{Observer, Supervisor},
    ports::Poster,
};

use crate::{
    actions::ReplyTokens,
    admin::{
        self,
        server::{Access, AdminServer, Backend, Listener, Operations},
    },
    config::AdminConfig,
};

/// The admin API with its address and its tokens.
pub(super) struct BoundApi {
    listener: Listener,
    access: Access,
    reply_tokens: ReplyTokens,
}

/// The admin API, which records events but does not accept requests yet.
pub(super) struct PreparedApi {
    listener: Listener,
    backend: Backend,
}

impl BoundApi {
    /// Binds the address and finds the tokens; returns `None` if the API is disabled. The host runs without it if the
    /// default address is in use.
    pub(super) fn bind(config: &AdminConfig) -> anyhow::Result<Option<Self>> {
        let listener = match Listener::bind(config) {
            Ok(Some(listener)) => listener,
            Ok(None) => return Ok(None),
            Err(error) if !error.explicit => {
                let remedy = "set admin.bind to a free address, or admin.enabled = false";
                tracing::warn!("running without the admin API: {error}; {remedy}");
                return Ok(None);
            }
            Err(error) => {
                return Err(error).context("cannot bind the admin API; set admin.bind to a free address");
            }
        };
        let access = Access::prepare(config).context("cannot make a token for the admin API")?;
        let reply_tokens = admin::reply_tokens(config).context("cannot make a key for reply tokens")?;
        Ok(Some(Self { listener, access, reply_tokens }))
    }

    /// Returns the issuer of the tokens by which handlers answer later.
    pub(super) fn reply_tokens(&self) -> ReplyTokens {
        self.reply_tokens.clone()
    }

    pub(super) fn with_backend(
        self,
        config: &AdminConfig,
        supervisor: Addr<Supervisor>,
        observer: &Observer,
        operations: Arc<dyn Operations>,
        poster: &Arc<dyn Poster>,
    ) -> PreparedApi {
        let backend = Backend::new(config, self.access, supervisor, observer, operations);
        let backend = backend.with_reply_tokens(self.reply_tokens).with_poster(Arc::clone(poster));
        PreparedApi { listener: self.listener, backend }
    }
}

impl PreparedApi {
    /// Accepts requests, and logs the address and, if the host generated the token, a link to the page.
    pub(super) fn start(self) -> anyhow::Result<AdminServer> {
        let Self { listener, backend } = self;
        let url = listener.url();
        // A browser cannot open a Unix socket. A configured token is known to those who may use it.
        let needs_link = backend.has_generated_token() && listener.address().is_some();
        let link = needs_link.then(|| backend.page_link(&url));
        let server = AdminServer::start(listener, backend).context("cannot start the admin API")?;
        tracing::info!(url, "the admin API is listening");
        if let Some(link) = link.transpose().context("cannot make a link to the page")? {
            tracing::info!(
                %link,
                "this link opens the page once, within ten minutes; `matterhost sign-in` makes another"
            );
        }
        Ok(server)
    }
}
