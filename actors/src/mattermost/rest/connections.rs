//! The pools of connections to one server.

use std::{sync::Arc, time::Duration};

use actix_http::header::{self, HeaderValue};
use awc::Connector;
use tokio::sync::Semaphore;

use crate::{
    mattermost::{ClientConfig, transport::ServerConnector},
    model::Token,
};

/// The connections for uploads of an Arbiter and a server, and as many for downloads. They are apart from the others, so
/// that a slow transfer delays no poll.
pub(super) const TRANSFERS: usize = 4;

/// A pool of connections.
pub(super) struct Connections {
    pub(super) http: awc::Client,
    /// The permits for connections. A request that waits here takes a few bytes; one that waits in the connector takes some
    /// kilobytes, and two thousand of those fragment the heap.
    pub(super) slots: Arc<Semaphore>,
}

impl Connections {
    /// Creates a pool of so many connections, without connecting to the server.
    pub(super) fn new(config: &ClientConfig, most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Self { http: limited_client(config, most), slots: Arc::new(Semaphore::new(most)) }
    }
}

/// Returns the header value that carries a token, marked as sensitive so that it is never printed.
pub(in crate::mattermost) fn bearer(token: &Token) -> Option<HeaderValue> {
    // A token is visible ASCII, so it is always a valid header value.
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The time by which the HTTP client's own limit for connecting is longer than `ServerConnector`'s, which knows the
/// cause.
pub(in crate::mattermost) const CONNECT_MARGIN: Duration = Duration::from_secs(1);

/// Creates an HTTP client for one server of any kind, with the configuration's limits on connections.
///
/// The client belongs to the thread that created it. It connects to the configured server only, even for a request to
/// another address, and expects addresses that begin with `http://`: TLS is added beneath it. Redirects are not
/// followed; the caller sets the deadline of each request.
pub fn http_client(config: &ClientConfig) -> awc::Client {
    limited_client(config, config.limits().rest_connections)
}

fn limited_client(config: &ClientConfig, connections: usize) -> awc::Client {
    let limits = config.limits();
    let connector = Connector::new()
        .connector(ServerConnector::new(config.clone()))
        .timeout(limits.connect_timeout + CONNECT_MARGIN)
        .limit(connections)
        .conn_keep_alive(limits.keep_alive);
    let builder = awc::Client::builder()
        .connector(connector)
        // `Client::execute` has its own deadline, which includes the wait for a connection and the body.
        .disable_timeout()
        .disable_redirects()
        .no_default_headers()
        .add_default_header((header::USER_AGENT, config.user_agent()));
    let headers = config.headers().iter().cloned();
    headers.fold(builder, awc::ClientBuilder::add_default_header).finish()
}
