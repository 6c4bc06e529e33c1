//! What a client is made from: plain values that every Arbiter may hold.

use std::{fmt, sync::Arc};

use crate::mattermost::{ClientLimits, ServerUrl, Tls, transport::Dns};

/// Everything a [`Client`](crate::mattermost::Client) needs to know of its server.
///
/// Cheap to clone and `Send`: each Arbiter makes its own client from it. All of them share the TLS
/// sessions and the DNS answers.
#[derive(Clone)]
pub struct ClientConfig(Arc<Inner>);

struct Inner {
    url: ServerUrl,
    tls: Option<Tls>,
    limits: ClientLimits,
    user_agent: Box<str>,
    dns: Dns,
}

impl ClientConfig {
    /// Puts a server's settings together.
    ///
    /// `tls` may be left out for a server without TLS; with it left out, an `https` server is never
    /// spoken to in the clear: every request fails.
    pub fn new(url: ServerUrl, tls: Option<Tls>, limits: ClientLimits, user_agent: &str) -> Self {
        let dns = Dns::new(url.host(), url.port(), limits.dns_ttl);
        let user_agent = user_agent.into();
        Self(Arc::new(Inner { url, tls, limits, user_agent, dns }))
    }

    /// The server's address.
    pub fn url(&self) -> &ServerUrl {
        &self.0.url
    }

    /// The bounds on time and memory.
    pub fn limits(&self) -> &ClientLimits {
        &self.0.limits
    }

    pub(in crate::mattermost) fn tls(&self) -> Option<&Tls> {
        self.0.tls.as_ref()
    }

    pub(in crate::mattermost) fn user_agent(&self) -> &str {
        &self.0.user_agent
    }

    pub(in crate::mattermost) fn dns(&self) -> &Dns {
        &self.0.dns
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("url", &self.0.url)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}
