//! The client of one server, for one Arbiter.

use std::{cell::OnceCell, fmt, rc::Rc, sync::Arc, time::Duration};

use actix_http::{
    Method,
    header::{self, HeaderMap},
};
use awc::{ClientResponse, body::SizedStream, error::PayloadError, http::StatusCode};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::{sync::OwnedSemaphorePermit, task::yield_now, time::timeout};

use super::{
    channel_lists::ChannelLists,
    connections::{Connections, TRANSFERS, bearer},
    file_requests::content_pieces,
    headers,
    response::check_json,
    row_splitter::{RowSplitter, Rows, Shape},
};
use crate::{
    mattermost::{
        ClientConfig, ClientLimits, DialError, DialedSocket, Etag, RequestStats, RestError, RestErrorKind,
        socket::dial::{self, Tunnels},
        transport::TransportError,
    },
    model::{FileContent, ResumePoint, Token},
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
    rest: Connections,
    uploads: OnceCell<Connections>,
    downloads: OnceCell<Connections>,
    tunnels: Tunnels,
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
    pub(super) body: Option<(&'static str, FileContent)>,
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
            rest: Connections::new(config, config.limits().rest_connections),
            uploads: OnceCell::new(),
            downloads: OnceCell::new(),
            tunnels: Tunnels::new(config),
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

    pub(super) fn channel_lists(&self) -> &ChannelLists {
        self.0.config.channel_lists()
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
        let response = self.exchange(&self.0.rest, request, Body::Rows(&mut splitter, rows)).await?;
        response.check_rows(&splitter.state(), route).map_err(|error| error.redact(Some(token)))?;
        Ok(response)
    }

    pub(super) fn limits(&self) -> &ClientLimits {
        self.0.config.limits()
    }

    /// Sends a request within its time limit, and reads the whole body.
    pub(super) async fn execute(&self, request: RestRequest<'_>) -> Result<RawResponse, RestError> {
        self.execute_on(&self.0.rest, request).await
    }

    /// Sends a request over these connections within its time limit, and reads the whole body.
    pub(super) async fn execute_on(
        &self,
        connections: &Connections,
        request: RestRequest<'_>,
    ) -> Result<RawResponse, RestError> {
        self.exchange(connections, request, Body::Whole).await
    }

    /// Returns the connections for uploads.
    pub(super) fn uploads(&self) -> &Connections {
        self.0.uploads.get_or_init(|| Connections::new(&self.0.config, TRANSFERS))
    }

    /// Returns the connections for downloads.
    pub(super) fn downloads(&self) -> &Connections {
        self.0.downloads.get_or_init(|| Connections::new(&self.0.config, TRANSFERS))
    }

    async fn exchange(
        &self,
        connections: &Connections,
        request: RestRequest<'_>,
        body: Body<'_>,
    ) -> Result<RawResponse, RestError> {
        let (route, token, time_limit) = (request.route, request.token, request.time_limit);
        let method = request.method.clone();
        let exchange = async {
            // The semaphore is never closed; even if it were, the connector has the same limit.
            let _slot = connections.slots.acquire().await;
            Box::pin(self.send(connections, request, body)).await
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

    /// Sends a request within its time limit and returns the response before its body, with the permit to hold until that is
    /// read. The body is not decompressed.
    pub(super) async fn open(
        &self,
        connections: &Connections,
        request: RestRequest<'_>,
    ) -> Result<
        (
            ClientResponse<impl Stream<Item = Result<Bytes, PayloadError>> + Unpin + use<>>,
            OwnedSemaphorePermit,
        ),
        RestError,
    > {
        let (route, token, time_limit) = (request.route, request.token, request.time_limit);
        let method = request.method.clone();
        let opening = async {
            let closed = |error| RestError::new(RestErrorKind::Unreachable, route, format!("{error}"));
            let slot = connections.slots.clone().acquire_owned().await.map_err(closed)?;
            let sending = self.prepare(connections, &request)?.no_decompress();
            let sent = sending.insert_header((header::ACCEPT_ENCODING, "identity")).send().await;
            let mut response = sent.map_err(|error| RestError::from_transport(error.into(), route))?;
            if response.status().is_success() {
                return Ok((response, slot));
            }
            let body = self.read_body(&mut response, route).await.unwrap_or_default();
            Err(RestError::from_status(response.status(), response.headers(), &body, route))
        };
        let opened = timeout(time_limit, Box::pin(opening)).await;
        let opened =
            opened.unwrap_or_else(|_| Err(RestError::from_transport(TransportError::timeout(), route)));
        let status = opened.as_ref().map(|(response, _)| response.status().as_u16());
        self.0.request_stats.record_request(&method, route, status);
        opened.map_err(|error| error.redact(token))
    }

    /// Returns a request with its headers.
    fn prepare(
        &self,
        connections: &Connections,
        request: &RestRequest<'_>,
    ) -> Result<awc::ClientRequest, RestError> {
        let RestRequest { method, route, path, token, etag, .. } = request;
        let url = self.0.config.url();
        let uri =
            url.plain_api(path).map_err(|e| RestError::new(RestErrorKind::BadBody, route, e.to_string()))?;
        let http = &connections.http;
        let mut prepared = http.request(method.clone(), uri).insert_header((header::HOST, url.authority()));
        if let Some(bearer) = token.and_then(bearer) {
            prepared = prepared.insert_header((header::AUTHORIZATION, bearer));
        }
        if let Some(etag) = etag {
            prepared = prepared.insert_header((header::IF_NONE_MATCH, etag.as_str()));
        }
        Ok(prepared)
    }

    async fn send(
        &self,
        connections: &Connections,
        request: RestRequest<'_>,
        reading: Body<'_>,
    ) -> Result<RawResponse, RestError> {
        let prepared = self.prepare(connections, &request)?;
        let RestRequest { route, etag, body, .. } = request;
        let sending = match body {
            Some((kind, FileContent::Memory(body))) => {
                prepared.insert_header((header::CONTENT_TYPE, kind)).send_body(body)
            }
            Some((kind, stored)) => {
                let body = SizedStream::new(stored.len(), content_pieces(stored));
                prepared.insert_header((header::CONTENT_TYPE, kind)).send_body(body)
            }
            None => prepared.send(),
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
            rows.begin();
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

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", self.0.config.url()).finish_non_exhaustive()
    }
}
