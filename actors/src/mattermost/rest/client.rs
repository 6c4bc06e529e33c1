//! One server's client, for one Arbiter.

use std::{cell::Cell, fmt, rc::Rc, sync::Arc, time::Duration};

use actix_http::{
    Method,
    header::{self, HeaderMap, HeaderValue},
};
use awc::{ClientResponse, Connector, error::PayloadError, http::StatusCode};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::{sync::Semaphore, time::timeout};

use super::failure::TransportError;
use crate::mattermost::{
    ClientConfig, ClientLimits, DialError, DialedSocket, Etag, RequestStats, RestError, RestErrorKind,
    socket::dial::{self, Tunnels},
    transport::ServerConnector,
};
use crate::model::{ResumePoint, Token};

/// Asks one Mattermost server by REST, and dials its sockets.
///
/// It belongs to the thread that made it. Cheap to clone; clones share their connections. REST
/// connections are few and kept; sockets are without number, apart from them. Redirects are not
/// followed, cookies are not kept, and every request has a deadline and a bounded body.
#[derive(Clone)]
pub struct Client(Rc<Inner>);

struct Inner {
    request_stats: Arc<RequestStats>,
    config: ClientConfig,
    rest: awc::Client,
    /// A request is made when there is a connection for it: one that waits for its turn takes a few bytes, one that waits
    /// in the connector some kilobytes, and two thousand of those leave the heap full of holes.
    turns: Semaphore,
    tunnels: Tunnels,
    lists_by_team: Cell<bool>,
}

/// What is asked.
pub(in crate::mattermost) struct RestRequest<'a> {
    pub(in crate::mattermost) method: Method,
    /// What errors name.
    pub(in crate::mattermost) route: &'static str,
    /// The route with its ids and its query.
    pub(in crate::mattermost) path: &'a str,
    pub(in crate::mattermost) token: Option<&'a Token>,
    pub(in crate::mattermost) etag: Option<&'a Etag>,
    /// What goes along, and what it is.
    pub(in crate::mattermost) body: Option<(&'static str, Bytes)>,
    /// The time for all of it.
    pub(in crate::mattermost) within: Duration,
}

/// An answer whose status is 2xx or 304, its body read to the end.
pub(in crate::mattermost) struct RawResponse {
    pub(in crate::mattermost) status: StatusCode,
    pub(in crate::mattermost) headers: HeaderMap,
    pub(in crate::mattermost) body: Vec<u8>,
}

impl Client {
    /// Makes a client. Nothing is connected yet.
    pub fn new(config: &ClientConfig) -> Self {
        Self::with_stats(config, Arc::default())
    }

    /// The same, and what it asks and dials is counted there.
    pub fn with_stats(config: &ClientConfig, request_stats: Arc<RequestStats>) -> Self {
        Self(Rc::new(Inner {
            request_stats,
            config: config.clone(),
            rest: http_client(config),
            turns: Semaphore::new(config.limits().rest_connections.clamp(1, Semaphore::MAX_PERMITS)),
            tunnels: Tunnels::new(config),
            lists_by_team: Cell::new(false),
        }))
    }

    /// Opens a WebSocket with the token in the upgrade's header, so that hello comes by itself
    /// (fact 2). **It proves nothing**: a bad token gets a socket too, and no hello (fact 1).
    ///
    /// # Errors
    ///
    /// When there is no connection, or the server answers anything but a proper 101.
    pub async fn dial(&self, token: &Token, resume: Option<&ResumePoint>) -> Result<DialedSocket, DialError> {
        let dialed = dial::dial(&self.0.config, &self.0.tunnels, token, resume).await;
        self.0.request_stats.record_dial(dialed.as_ref().err());
        dialed
    }

    /// Whether the server was found to list channels by team only (fact 12).
    pub(in crate::mattermost) fn lists_by_team(&self) -> &Cell<bool> {
        &self.0.lists_by_team
    }

    /// Asks with GET, within the request's time, and reads the whole body: a connection whose answer is
    /// unread cannot be used again.
    pub(in crate::mattermost) async fn get(
        &self,
        route: &'static str,
        token: Option<&Token>,
        etag: Option<&Etag>,
    ) -> Result<RawResponse, RestError> {
        self.get_path(route, route, token, etag).await
    }

    /// The same for a route with ids or a query: `path` has them, `route` is what errors name.
    pub(in crate::mattermost) async fn get_path(
        &self,
        route: &'static str,
        path: &str,
        token: Option<&Token>,
        etag: Option<&Etag>,
    ) -> Result<RawResponse, RestError> {
        let within = self.limits().request_timeout;
        self.ask(RestRequest { method: Method::GET, route, path, token, etag, body: None, within }).await
    }

    pub(in crate::mattermost) fn limits(&self) -> &ClientLimits {
        self.0.config.limits()
    }

    /// Asks, within the time for it, and reads the whole body.
    pub(in crate::mattermost) async fn ask(&self, ask: RestRequest<'_>) -> Result<RawResponse, RestError> {
        let (route, token, within) = (ask.route, ask.token, ask.within);
        let method = ask.method.clone();
        let asking = async {
            // Nobody closes it; if somebody did, the connector has the same limit.
            let _turn = self.0.turns.acquire().await;
            Box::pin(self.send(ask)).await
        };
        let answer = timeout(within, asking)
            .await
            .unwrap_or_else(|_| Err(RestError::failed(TransportError::timeout(), route)));
        self.0.request_stats.record_request(
            &method,
            route,
            answer.as_ref().map(|answer| answer.status.as_u16()),
        );
        answer.map_err(|error| error.without(token))
    }

    async fn send(&self, ask: RestRequest<'_>) -> Result<RawResponse, RestError> {
        let RestRequest { method, route, path, token, etag, body, .. } = ask;
        let url = self.0.config.url();
        let uri =
            url.plain_api(path).map_err(|e| RestError::new(RestErrorKind::BadBody, route, e.to_string()))?;
        let mut request = self.0.rest.request(method, uri).insert_header((header::HOST, url.authority()));
        if let Some(bearer) = token.and_then(bearer) {
            request = request.insert_header((header::AUTHORIZATION, bearer));
        }
        if let Some(etag) = etag {
            request = request.insert_header((header::IF_NONE_MATCH, etag.as_str()));
        }
        let sending = match body {
            Some((kind, body)) => request.insert_header((header::CONTENT_TYPE, kind)).send_body(body),
            None => request.send(),
        };
        let mut response = sending.await.map_err(|error| RestError::failed(error.into(), route))?;
        let body = self.read(&mut response, route).await;
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_success() || (status == StatusCode::NOT_MODIFIED && etag.is_some()) {
            return Ok(RawResponse { status, headers, body: body? });
        }
        Err(RestError::refused(status, &headers, &body.unwrap_or_default(), route))
    }

    async fn read<S>(
        &self,
        response: &mut ClientResponse<S>,
        route: &'static str,
    ) -> Result<Vec<u8>, RestError>
    where
        S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    {
        let limit = self.0.config.limits().max_body_bytes;
        let mut body = Vec::new();
        while let Some(chunk) = response.next().await {
            let chunk = chunk.map_err(|error| RestError::failed(error.into(), route))?;
            if body.len() + chunk.len() > limit {
                let message = format!("it is over {limit} bytes");
                return Err(RestError::new(RestErrorKind::TooLarge, route, message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// The header that carries a token, marked so that nothing prints it.
pub(in crate::mattermost) fn bearer(token: &Token) -> Option<HeaderValue> {
    // A token is visible ASCII, so this is always a header.
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// An HTTP client for one server, whatever it speaks, with the bounds of the configuration on connections.
///
/// It belongs to the thread that made it. It reaches no other server, whatever address it is asked for, and wants
/// addresses that begin with `http://`: TLS is beneath it. Redirects are not followed; the deadline of a request
/// is the caller's.
pub fn http_client(config: &ClientConfig) -> awc::Client {
    let limits = config.limits();
    let connector = Connector::new()
        .connector(ServerConnector::new(config.clone()))
        .timeout(limits.connect_timeout)
        .limit(limits.rest_connections)
        .conn_keep_alive(limits.keep_alive);
    awc::Client::builder()
        .connector(connector)
        // The deadline is ours: it counts the wait for a connection and the body as well.
        .disable_timeout()
        .disable_redirects()
        .no_default_headers()
        .add_default_header((header::USER_AGENT, config.user_agent()))
        .finish()
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", self.0.config.url()).finish_non_exhaustive()
    }
}
