//! The settings of a client: plain values that any Arbiter can hold.

use std::{fmt, sync::Arc};

use crate::mattermost::{ClientLimits, ServerUrl, Tls, transport::Dns};

/// The settings that a [`Client`](crate::mattermost::Client) needs for its server.
///
/// Cheap to clone and `Send`: each Arbiter creates its own client from it. All these clients share the TLS
/// sessions and the DNS results.
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
    /// Combines the settings of a server.
    ///
    /// `tls` can be `None` for a server without TLS. For an `https` server without it, every request fails:
    /// the client never falls back to plain text.
    pub fn new(url: ServerUrl, tls: Option<Tls>, limits: ClientLimits, user_agent: &str) -> Self {
        let dns = Dns::new(url.host(), url.port(), limits.dns_ttl);
        let user_agent = user_agent.into();
        Self(Arc::new(Inner { url, tls, limits, user_agent, dns }))
    }

    /// Returns the server's address.
    pub fn url(&self) -> &ServerUrl {
        &self.0.url
    }

    /// Returns the limits on time and memory.
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
