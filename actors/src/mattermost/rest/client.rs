//! The client of one server, for one Arbiter.

use std::{cell::Cell, fmt, rc::Rc, sync::Arc, time::Duration};

use actix_http::{
    Method,
    header::{self, HeaderMap, HeaderValue},
};
use awc::{ClientResponse, Connector, error::PayloadError, http::StatusCode};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::{sync::Semaphore, task::yield_now, time::timeout};

use super::{
    headers,
    response::check_json,
    row_splitter::{RowSplitter, Rows, Shape},
};
use crate::{
    mattermost::{
        ClientConfig, ClientLimits, DialError, DialedSocket, Etag, RequestStats, RestError, RestErrorKind,
        socket::dial::{self, Tunnels},
        transport::{ServerConnector, TransportError},
    },
    model::{ResumePoint, Token},
};

/// The bytes of a list that are read before the other accounts of the thread go on: some hundred rows, which take a few
/// milliseconds on a slow machine.
const READ_AT_ONCE: usize = 32 * 1024;

/// A client that sends REST requests to one Mattermost server and dials its sockets.
///
/// It belongs to the thread that created it. Cheap to clone; clones share their connections. A few REST
/// connections are kept open; the number of sockets is not limited, and they do not count as REST
/// connections. Redirects are not followed, cookies are not stored, and every request has a deadline and
/// a bounded body.
#[derive(Clone)]
pub struct Client(Rc<Inner>);

struct Inner {
    request_stats: Arc<RequestStats>,
    config: ClientConfig,
    rest: awc::Client,
    /// The permits for REST connections. A request that waits here takes a few bytes; one that waits in the connector
    /// takes some kilobytes, and two thousand of those fragment the heap.
    slots: Semaphore,
    tunnels: Tunnels,
    lists_by_team: Cell<bool>,
}

/// A request for one REST route.
pub(super) struct RestRequest<'a> {
    pub(super) method: Method,
    /// The route as errors show it.
    pub(super) route: &'static str,
    /// The route with its ids and query filled in.
    pub(super) path: &'a str,
    pub(super) token: Option<&'a Token>,
    pub(super) etag: Option<&'a Etag>,
    /// The content type and the content.
    pub(super) body: Option<(&'static str, Bytes)>,
    /// The time limit for the whole exchange.
    pub(super) time_limit: Duration,
}

/// The use of a successful response's body.
enum Body<'a> {
    /// It is kept as a whole.
    Whole,
    /// It is read row by row and not kept.
    Rows(&'a mut RowSplitter, &'a mut dyn Rows),
}

/// A response with status 2xx or 304 and its whole body; none if it was read row by row.
pub(super) struct RawResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The number of bytes that were read.
    pub(super) length: u64,
}

impl Client {
    /// Creates a client without connecting to the server.
    pub fn new(config: &ClientConfig) -> Self {
        Self::with_stats(config, Arc::default())
    }

    /// Creates a client that counts its requests and dials in `request_stats`.
    pub fn with_stats(config: &ClientConfig, request_stats: Arc<RequestStats>) -> Self {
        Self(Rc::new(Inner {
            request_stats,
            config: config.clone(),
            rest: http_client(config),
            slots: Semaphore::new(config.limits().rest_connections.clamp(1, Semaphore::MAX_PERMITS)),
            tunnels: Tunnels::new(config),
            lists_by_team: Cell::new(false),
        }))
    }

    /// Opens a WebSocket with the token in the upgrade's header, so that the server sends hello unasked
    /// (fact 2). **An open socket proves nothing**: a bad token gets one too, but no hello (fact 1).
    ///
    /// # Errors
    ///
    /// Fails if there is no connection or the server responds with anything but a valid 101.
    pub async fn dial(&self, token: &Token, resume: Option<&ResumePoint>) -> Result<DialedSocket, DialError> {
        let dialed = dial::dial(&self.0.config, &self.0.tunnels, token, resume).await;
        self.0.request_stats.record_dial(dialed.as_ref().err());
        dialed
    }

    /// True once the server is known to list channels only by team (fact 12).
    pub(super) fn lists_by_team(&self) -> &Cell<bool> {
        &self.0.lists_by_team
    }

    /// Sends a GET request and reads the whole body: a connection with an unread response cannot be
    /// reused.
    pub(super) async fn get(
        &self,
        route: &'static str,
        token: Option<&Token>,
        etag: Option<&Etag>,
    ) -> Result<RawResponse, RestError> {
        self.get_path(route, route, token, etag).await
    }

    /// Sends a GET request for a route with ids or a query: `path` contains them, errors show `route`.
    pub(super) async fn get_path(
        &self,
        route: &'static str,
        path: &str,
        token: Option<&Token>,
        etag: Option<&Etag>,
    ) -> Result<RawResponse, RestError> {
        let time_limit = self.limits().request_timeout;
        self.execute(RestRequest { method: Method::GET, route, path, token, etag, body: None, time_limit })
            .await
    }

    /// Sends a GET request and reads the body row by row, until it ends or the rows have enough. What was read is kept
    /// only as far as the rows keep it.
    pub(super) async fn get_rows(
        &self,
        route: &'static str,
        path: &str,
        token: &Token,
        shape: Shape,
        rows: &mut dyn Rows,
    ) -> Result<RawResponse, RestError> {
        let limits = self.limits();
        let mut splitter = RowSplitter::new(shape, limits.max_body_bytes);
        let request = RestRequest {
            method: Method::GET,
            route,
            path,
            token: Some(token),
            etag: None,
            body: None,
            time_limit: limits.request_timeout,
        };
        let response = self.exchange(request, Body::Rows(&mut splitter, rows)).await?;
        response.check_rows(&splitter.state(), route).map_err(|error| error.redact(Some(token)))?;
        Ok(response)
    }

    pub(super) fn limits(&self) -> &ClientLimits {
        self.0.config.limits()
    }

    /// Sends a request within its time limit, and reads the whole body.
    pub(super) async fn execute(&self, request: RestRequest<'_>) -> Result<RawResponse, RestError> {
        self.exchange(request, Body::Whole).await
    }

    async fn exchange(&self, request: RestRequest<'_>, body: Body<'_>) -> Result<RawResponse, RestError> {
        let (route, token, time_limit) = (request.route, request.token, request.time_limit);
        let method = request.method.clone();
        let exchange = async {
            // The semaphore is never closed; even if it were, the connector has the same limit.
            let _slot = self.0.slots.acquire().await;
            Box::pin(self.send(request, body)).await
        };
        let response = timeout(time_limit, exchange)
            .await
            .unwrap_or_else(|_| Err(RestError::from_transport(TransportError::timeout(), route)));
        self.0.request_stats.record_request(
            &method,
            route,
            response.as_ref().map(|response| response.status.as_u16()),
        );
        response.map_err(|error| error.redact(token))
    }

    async fn send(&self, request: RestRequest<'_>, reading: Body<'_>) -> Result<RawResponse, RestError> {
        let RestRequest { method, route, path, token, etag, body, .. } = request;
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
        let mut response = sending.await.map_err(|error| RestError::from_transport(error.into(), route))?;
        let (status, head) = (response.status(), response.headers().clone());
        let check_encoding = || match headers::foreign_encoding(&head) {
            Some(message) => Err(RestError::new(RestErrorKind::BadBody, route, message)),
            None => Ok(()),
        };
        if let (true, Body::Rows(splitter, rows)) = (status.is_success(), reading) {
            check_encoding()?;
            check_json(&head, route)?;
            let length = read_rows(&mut response, splitter, rows, route).await?;
            return Ok(RawResponse { status, headers: head, body: Vec::new(), length });
        }
        let body = self.read_body(&mut response, route).await;
        if status.is_success() || (status == StatusCode::NOT_MODIFIED && etag.is_some()) {
            let body = body?;
            check_encoding()?;
            return Ok(RawResponse { status, headers: head, length: body.len() as u64, body });
        }
        Err(RestError::from_status(status, &head, &body.unwrap_or_default(), route))
    }

    async fn read_body<S>(
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
            let chunk = chunk.map_err(|error| RestError::from_transport(error.into(), route))?;
            if body.len() + chunk.len() > limit {
                let message = format!("the body exceeds {limit} bytes");
                return Err(RestError::new(RestErrorKind::TooLarge, route, message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Reads a body row by row and returns its length. It stops early if the rows have enough.
async fn read_rows<S>(
    response: &mut ClientResponse<S>,
    splitter: &mut RowSplitter,
    rows: &mut dyn Rows,
    route: &'static str,
) -> Result<u64, RestError>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let (mut length, mut at_once) = (0, 0);
    while let Some(chunk) = response.next().await {
        let chunk = chunk.map_err(|error| RestError::from_transport(error.into(), route))?;
        length += chunk.len() as u64;
        for piece in chunk.chunks(READ_AT_ONCE) {
            if splitter.read(piece, rows).is_break() {
                splitter.stop();
                return Ok(length);
            }
            at_once += piece.len();
            if at_once >= READ_AT_ONCE {
                yield_now().await;
                at_once = 0;
            }
        }
    }
    Ok(length)
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
    let limits = config.limits();
    let connector = Connector::new()
        .connector(ServerConnector::new(config.clone()))
        .timeout(limits.connect_timeout + CONNECT_MARGIN)
        .limit(limits.rest_connections)
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

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", self.0.config.url()).finish_non_exhaustive()
    }
}
