//! The HTTP client of the admin API, over TCP, TLS or a Unix socket.

use std::{fmt, io, path::Path, rc::Rc, time::Duration};

use actix_rt::net::UnixStream;
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::{
    ClientRequest, ClientResponse, Connector, SendClientRequest,
    body::SizedStream,
    error::{ConnectError as ConnectionError, PayloadError, SendRequestError},
    http::{Method, StatusCode, Uri, header},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, future::LocalBoxFuture, stream::LocalBoxStream};
use matterhost_actors::mattermost::{ClientConfig, ClientLimits, http_client};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use super::{
    RemoteError,
    endpoint::{Endpoint, Transport},
    owner,
};
use crate::admin::dto::{PROBLEM_TYPE, Problem};

/// The largest response: ten times that of ten thousand accounts.
const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;
/// The time limit for a response. A host answers at once, or reports within seconds that it is busy.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// The time limit for a reload, which waits for removed accounts (each up to `host.stop_deadline`) and for earlier
/// reloads. Ctrl-C ends the wait; the host continues.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(25 * 60);
/// The time limit for a request that waits for others: for an account that cannot act yet (`replies.deadline`), or for a
/// handler that answers thousands of dead letters. Ctrl-C ends the wait; the host continues.
const SLOW_TIMEOUT: Duration = Duration::from_secs(65 * 60);
/// The time limit for connecting to a Unix socket: it opens at once unless its process hangs.
const UNIX_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const USER_AGENT: &str = concat!("matterhost-cli/", env!("CARGO_PKG_VERSION"));

/// A client of one running host. It stays on the thread that created it.
pub struct Client {
    endpoint: Endpoint,
    http: awc::Client,
    base: String,
}

/// A stream of server-sent events, as chunks of bytes.
pub(super) type ByteChunks = LocalBoxStream<'static, Result<Bytes, String>>;

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}

impl Client {
    /// Creates a client of the host at this endpoint.
    pub fn new(endpoint: Endpoint) -> Self {
        let (http, base) = match &endpoint.transport {
            Transport::Tcp { url, tls, proxy } => {
                let shown = url.to_string();
                let plain = shown.split_once("://").map_or(&*shown, |(_, rest)| rest);
                let config = ClientConfig::new(url.clone(), tls.clone(), ClientLimits::default(), USER_AGENT)
                    .with_proxy(proxy.clone());
                // The connector adds TLS.
                (http_client(&config), format!("http://{plain}"))
            }
            Transport::Unix(path) => (unix_http_client(path), "http://localhost".to_owned()),
        };
        Self { endpoint, http, base }
    }

    /// Returns the URL of the host, which a browser can open unless it is a Unix socket.
    pub(super) fn url(&self) -> Result<String, RemoteError> {
        match &self.endpoint.transport {
            Transport::Tcp { url, .. } => Ok(url.to_string()),
            Transport::Unix(_) => Err(RemoteError::Argument {
                message: "a browser cannot open a Unix socket".into(),
                remedy: "set admin.bind instead of admin.unix to use the page".into(),
            }),
        }
    }

    /// Sends a GET request and parses the JSON response.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, RemoteError> {
        self.parse(&self.send(Method::GET, path, None).await?)
    }

    /// Sends a GET request and returns the response as text.
    pub(super) async fn get_text(&self, path: &str) -> Result<String, RemoteError> {
        Ok(String::from_utf8_lossy(&self.send(Method::GET, path, None).await?).into_owned())
    }

    /// Sends a POST request without a body and parses the JSON response.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, RemoteError> {
        self.parse(&self.send(Method::POST, path, None).await?)
    }

    /// Sends a POST request with the time limit of a reload.
    pub(super) async fn reload<T: DeserializeOwned>(&self, path: &str) -> Result<T, RemoteError> {
        self.parse(&self.send_within(RELOAD_TIMEOUT, Method::POST, path, None).await?)
    }

    /// Sends a POST request with a body and parses the JSON response.
    pub(super) async fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        value: &impl Serialize,
    ) -> Result<T, RemoteError> {
        self.send_json(RESPONSE_TIMEOUT, Method::POST, path, value).await
    }

    /// Sends a POST request with a body, whose response may take long.
    pub(super) async fn post_slow<T: DeserializeOwned>(
        &self,
        path: &str,
        value: &impl Serialize,
    ) -> Result<T, RemoteError> {
        self.send_json(SLOW_TIMEOUT, Method::POST, path, value).await
    }

    /// Sends a PUT request and parses the JSON response.
    pub(super) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        value: &impl Serialize,
    ) -> Result<T, RemoteError> {
        self.send_json(RESPONSE_TIMEOUT, Method::PUT, path, value).await
    }

    async fn send_json<T: DeserializeOwned>(
        &self,
        within: Duration,
        method: Method,
        path: &str,
        value: &impl Serialize,
    ) -> Result<T, RemoteError> {
        // Strings and JSON values always serialize.
        let body = serde_json::to_string(value).unwrap_or_default();
        self.parse(&self.send_within(within, method, path, Some(body)).await?)
    }

    /// Opens a stream, after the event with the id `last` if one is given.
    pub(super) async fn listen(&self, path: &str, last: Option<&str>) -> Result<ByteChunks, RemoteError> {
        self.check_owner()?;
        let mut request = self.request(Method::GET, path);
        if let Some(last) = last {
            request = request.insert_header(("last-event-id", last));
        }
        let response = timeout(RESPONSE_TIMEOUT, request.send()).await;
        let mut response = response
            .map_err(|_| self.timeout_error(RESPONSE_TIMEOUT))?
            .map_err(|error| self.send_error(&error))?;
        if !response.status().is_success() {
            let body = self.read_body(&mut response).await?;
            return Err(self.error_response(
                response.status(),
                response.headers().get(header::CONTENT_TYPE),
                &body,
            ));
        }
        Ok(response.map(|chunk| chunk.map_err(|error| error.to_string())).boxed_local())
    }

    async fn send(&self, method: Method, path: &str, body: Option<String>) -> Result<Vec<u8>, RemoteError> {
        self.send_within(RESPONSE_TIMEOUT, method, path, body).await
    }

    async fn send_within(
        &self,
        within: Duration,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Vec<u8>, RemoteError> {
        self.check_owner()?;
        let request = self.request(method, path);
        let sent = match body {
            Some(body) => request.insert_header((header::CONTENT_TYPE, "application/json")).send_body(body),
            None => request.send(),
        };
        self.receive(within, sent).await
    }

    /// Sends a POST request whose body is a file, and parses the JSON response.
    pub(super) async fn post_file<T: DeserializeOwned>(
        &self,
        path: &str,
        len: u64,
        pieces: impl Stream<Item = io::Result<Bytes>> + 'static,
    ) -> Result<T, RemoteError> {
        self.check_owner()?;
        let request = self.request(Method::POST, path);
        let request = request.insert_header((header::CONTENT_TYPE, "application/octet-stream"));
        let sent = request.send_body(SizedStream::new(len, Box::pin(pieces)));
        self.parse(&self.receive(SLOW_TIMEOUT, sent).await?)
    }

    /// Waits for the response to a request and returns its body.
    async fn receive(&self, within: Duration, sent: SendClientRequest) -> Result<Vec<u8>, RemoteError> {
        let exchange = async {
            let mut response = sent.await.map_err(|error| self.send_error(&error))?;
            let body = self.read_body(&mut response).await?;
            if response.status().is_success() {
                return Ok(body);
            }
            Err(self.error_response(response.status(), response.headers().get(header::CONTENT_TYPE), &body))
        };
        // Boxed because the future is large.
        timeout(within, Box::pin(exchange)).await.map_err(|_| self.timeout_error(within))?
    }

    /// Refuses to show a generated token to a listener of another user. One that is reached by TLS shows a certificate, and
    /// a Unix socket is checked when it opens.
    fn check_owner(&self) -> Result<(), RemoteError> {
        match &self.endpoint.transport {
            Transport::Tcp { url, tls: None, .. } if self.endpoint.is_generated => {
                owner::check_listener(url.port()).map_err(|error| self.foreign(&error))
            }
            Transport::Tcp { .. } | Transport::Unix(_) => Ok(()),
        }
    }

    fn request(&self, method: Method, path: &str) -> ClientRequest {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.endpoint.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    async fn read_body<S>(&self, response: &mut ClientResponse<S>) -> Result<Vec<u8>, RemoteError>
    where
        S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    {
        let mut body = Vec::new();
        while let Some(chunk) = response.next().await {
            let chunk = chunk.map_err(|error| self.unreachable(&error))?;
            if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
                return Err(self.not_matterhost("its response is too large"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, RemoteError> {
        serde_json::from_slice(body)
            .map_err(|error| self.not_matterhost(&format!("its response cannot be parsed: {error}")))
    }

    fn error_response(
        &self,
        status: StatusCode,
        kind: Option<&header::HeaderValue>,
        body: &[u8],
    ) -> RemoteError {
        let is_problem = kind.is_some_and(|kind| kind.as_bytes().starts_with(PROBLEM_TYPE.as_bytes()));
        let problem = is_problem.then(|| serde_json::from_slice::<Problem>(body).ok()).flatten();
        match problem {
            Some(problem) if status == StatusCode::UNAUTHORIZED => RemoteError::Unauthorized {
                endpoint: self.endpoint.to_string(),
                problem: problem.into(),
                unread_token: self.endpoint.unread_token.clone(),
            },
            Some(problem) => RemoteError::Refused { problem: problem.into() },
            None if status == StatusCode::SERVICE_UNAVAILABLE => {
                RemoteError::Unhealthy(String::from_utf8_lossy(body).trim_end().to_owned())
            }
            None => self.not_matterhost(&format!("it responds with {status}")),
        }
    }

    fn timeout_error(&self, within: Duration) -> RemoteError {
        RemoteError::Timeout { endpoint: self.endpoint.to_string(), within_s: within.as_secs() }
    }

    /// A socket that this user may not use has a host behind it, unlike one that cannot be reached.
    fn send_error(&self, error: &SendRequestError) -> RemoteError {
        match error {
            SendRequestError::Connect(ConnectionError::Io(cause))
                if cause.kind() == io::ErrorKind::PermissionDenied =>
            {
                self.foreign(cause)
            }
            error => self.unreachable(error),
        }
    }

    fn foreign(&self, cause: &io::Error) -> RemoteError {
        RemoteError::Foreign { endpoint: self.endpoint.to_string(), cause: cause.to_string() }
    }

    fn unreachable(&self, cause: &impl ToString) -> RemoteError {
        RemoteError::Unreachable { endpoint: self.endpoint.to_string(), cause: cause.to_string() }
    }

    fn not_matterhost(&self, cause: &str) -> RemoteError {
        RemoteError::NotMatterhost { endpoint: self.endpoint.to_string(), cause: cause.into() }
    }
}

/// Encodes a name as a path segment; it may contain non-ASCII letters.
pub(super) fn encode_path_segment(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect()
}

fn unix_http_client(path: &Path) -> awc::Client {
    let connector = Connector::new().connector(UnixConnector(path.into())).timeout(UNIX_CONNECT_TIMEOUT);
    awc::Client::builder().connector(connector).disable_timeout().disable_redirects().finish()
}

/// A connector that opens one Unix socket for every address.
#[derive(Clone)]
struct UnixConnector(Rc<Path>);

impl Service<ConnectInfo<Uri>> for UnixConnector {
    type Response = Connection<Uri, UnixStream>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, ConnectError>>;

    actix_service::always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let path = Rc::clone(&self.0);
        Box::pin(async move {
            let stream = UnixStream::connect(&*path).await.map_err(ConnectError::Io)?;
            owner::check_socket(&stream).map_err(ConnectError::Io)?;
            Ok(Connection::new(info.request().clone(), stream))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix::test]
    async fn a_socket_that_may_not_be_used_is_no_host_that_is_away() {
        let transport = Transport::Unix("/run/matterhost/admin.sock".into());
        let client =
            Client::new(Endpoint { transport, token: None, is_generated: false, unread_token: None });
        let error = |kind: io::ErrorKind| {
            client.send_error(&SendRequestError::Connect(ConnectionError::Io(kind.into())))
        };
        let foreign = error(io::ErrorKind::PermissionDenied);
        assert!(matches!(foreign, RemoteError::Foreign { .. }), "{foreign}");
        let away = error(io::ErrorKind::ConnectionRefused);
        assert!(matches!(away, RemoteError::Unreachable { .. }), "{away}");
    }

    #[actix::test]
    async fn an_answer_that_is_late_is_no_host_that_is_away() {
        // A listener that accepts connections and never responds.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap()).parse().unwrap();
        let transport = Transport::Tcp { url, tls: None, proxy: None };
        let client =
            Client::new(Endpoint { transport, token: None, is_generated: false, unread_token: None });
        let result = client.send_within(Duration::from_millis(50), Method::POST, "/v1/reload", None).await;
        assert!(matches!(result, Err(RemoteError::Timeout { within_s: 0, .. })), "{result:?}");
    }
}
