//! The settings of a client: plain values that any Arbiter can hold.

use std::{fmt, net::SocketAddr, sync::Arc};

use super::channel_lists::ChannelLists;
use crate::mattermost::{ClientLimits, ExtraHeaders, Proxy, ServerUrl, Tls, transport::Dns};

/// The settings that a [`Client`](crate::mattermost::Client) needs for its server.
///
/// Cheap to clone and `Send`: each Arbiter creates its own client from it. All these clients share the TLS
/// sessions, the DNS results and the knowledge about the server's lists.
#[derive(Clone)]
pub struct ClientConfig(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    url: ServerUrl,
    tls: Option<Tls>,
    limits: ClientLimits,
    user_agent: Box<str>,
    dns: Arc<Dns>,
    proxy: Option<Proxy>,
    headers: ExtraHeaders,
    channel_lists: Arc<ChannelLists>,
}

impl ClientConfig {
    /// Combines the settings of a server.
    ///
    /// `tls` can be `None` for a server without TLS. For an `https` server without it, every request fails:
    /// the client never falls back to plain text.
    pub fn new(url: ServerUrl, tls: Option<Tls>, limits: ClientLimits, user_agent: &str) -> Self {
        let dns = Arc::new(Dns::new(url.host(), url.port(), limits.dns_ttl));
        let (user_agent, headers) = (user_agent.into(), ExtraHeaders::default());
        let channel_lists = Arc::default();
        Self(Arc::new(Inner { url, tls, limits, user_agent, dns, proxy: None, headers, channel_lists }))
    }

    /// Returns these settings with another trust.
    #[must_use]
    pub fn with_tls(&self, tls: Option<Tls>) -> Self {
        Self(Arc::new(Inner { tls, ..(*self.0).clone() }))
    }

    /// Returns these settings with addresses in place of those that DNS has for the server or its proxy.
    #[must_use]
    pub fn with_addresses(&self, addresses: Vec<SocketAddr>) -> Self {
        Self(Arc::new(Inner { dns: Arc::new(Dns::fixed(addresses)), ..(*self.0).clone() }))
    }

    /// Returns these settings with a way through a proxy, or directly.
    #[must_use]
    pub fn with_proxy(&self, proxy: Option<Proxy>) -> Self {
        let (url, limits) = (self.url(), self.limits());
        let dns = match &proxy {
            Some(proxy) => Dns::new(proxy.host(), proxy.port(), limits.dns_ttl),
            None => Dns::new(url.host(), url.port(), limits.dns_ttl),
        };
        Self(Arc::new(Inner { proxy, dns: Arc::new(dns), ..(*self.0).clone() }))
    }

    /// Returns these settings with headers that go with each request and each dial.
    #[must_use]
    pub fn with_headers(&self, headers: ExtraHeaders) -> Self {
        Self(Arc::new(Inner { headers, ..(*self.0).clone() }))
    }

    /// Returns the proxy on the way, if there is one.
    pub fn proxy(&self) -> Option<&Proxy> {
        self.0.proxy.as_ref()
    }

    /// Returns the headers that go with each request and each dial.
    pub fn headers(&self) -> &ExtraHeaders {
        &self.0.headers
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

    pub(super) fn channel_lists(&self) -> &ChannelLists {
        &self.0.channel_lists
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
            .field("proxy", &self.0.proxy)
            .finish_non_exhaustive()
    }
}
