//! Asks a running host.

use std::{fmt, time::Duration};

use awc::{
    ClientRequest, ClientResponse,
    error::PayloadError,
    http::{Method, StatusCode, header},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream::LocalBoxStream};
use matterhost_actors::mattermost::{ClientConfig, ClientLimits, http_client};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use super::{
    RemoteError,
    endpoint::{Endpoint, Transport},
    unix,
};
use crate::admin::dto::{PROBLEM_TYPE, Problem};

/// What ten thousand accounts take is a tenth of it.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// How long an answer may take. A host answers at once, or says within seconds that it is busy.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long a reload may take: it waits for the accounts that it takes away, each as long as `host.stop_deadline`
/// allows, and for the reloads that came before it. Whoever has waited enough presses Ctrl-C; the host goes on.
const RELOAD_WITHIN: Duration = Duration::from_secs(25 * 60);
/// How this program calls itself.
const USER_AGENT: &str = concat!("matterhost-cli/", env!("CARGO_PKG_VERSION"));

/// A client of one running host. It belongs to the thread that made it.
pub struct Client {
    endpoint: Endpoint,
    http: awc::Client,
    base: String,
}

/// A stream of server-sent events, in pieces.
pub(super) type ByteChunks = LocalBoxStream<'static, Result<Bytes, String>>;

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}

impl Client {
    /// A client of the host there.
    pub fn new(endpoint: Endpoint) -> Self {
        let (http, base) = match &endpoint.transport {
            Transport::Tcp { url, tls } => {
                let shown = url.to_string();
                let plain = shown.split_once("://").map_or(&*shown, |(_, rest)| rest);
                let config = ClientConfig::new(url.clone(), tls.clone(), ClientLimits::default(), USER_AGENT);
                // TLS is beneath.
                (http_client(&config), format!("http://{plain}"))
            }
            Transport::Unix(path) => (unix::http_client(path), "http://localhost".to_owned()),
        };
        Self { endpoint, http, base }
    }

    /// Asks for something.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, RemoteError> {
        self.read(&self.ask(Method::GET, path, None).await?)
    }

    /// Asks for something that is text.
    pub(super) async fn get_text(&self, path: &str) -> Result<String, RemoteError> {
        Ok(String::from_utf8_lossy(&self.ask(Method::GET, path, None).await?).into_owned())
    }

    /// Has something done.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, RemoteError> {
        self.read(&self.ask(Method::POST, path, None).await?)
    }

    /// Has the configuration read again.
    pub(super) async fn reload<T: DeserializeOwned>(&self, path: &str) -> Result<T, RemoteError> {
        self.read(&self.ask_within(RELOAD_WITHIN, Method::POST, path, None).await?)
    }

    /// Sets something.
    pub(super) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        value: &impl Serialize,
    ) -> Result<T, RemoteError> {
        // What we send are texts.
        let body = serde_json::to_string(value).unwrap_or_default();
        self.read(&self.ask(Method::PUT, path, Some(body)).await?)
    }

    /// Listens to a stream.
    pub(super) async fn listen(&self, path: &str, last: Option<&str>) -> Result<ByteChunks, RemoteError> {
        let mut request = self.request(Method::GET, path);
        if let Some(last) = last {
            request = request.insert_header(("last-event-id", last));
        }
        let response = timeout(ANSWER_WITHIN, request.send()).await;
        let mut response =
            response.map_err(|_| self.late(ANSWER_WITHIN))?.map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            let body = self.body(&mut response).await?;
            return Err(self.refused(response.status(), response.headers().get(header::CONTENT_TYPE), &body));
        }
        Ok(response.map(|piece| piece.map_err(|error| error.to_string())).boxed_local())
    }

    async fn ask(&self, method: Method, path: &str, body: Option<String>) -> Result<Vec<u8>, RemoteError> {
        self.ask_within(ANSWER_WITHIN, method, path, body).await
    }

    async fn ask_within(
        &self,
        within: Duration,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Vec<u8>, RemoteError> {
        let request = self.request(method, path);
        let asked = async {
            let sent = match body {
                Some(body) => {
                    request.insert_header((header::CONTENT_TYPE, "application/json")).send_body(body)
                }
                None => request.send(),
            };
            let mut response = sent.await.map_err(|error| self.unreachable(&error))?;
            let body = self.body(&mut response).await?;
            if response.status().is_success() {
                return Ok(body);
            }
            Err(self.refused(response.status(), response.headers().get(header::CONTENT_TYPE), &body))
        };
        // A large future, which is made once a question.
        timeout(within, Box::pin(asked)).await.map_err(|_| self.late(within))?
    }

    fn request(&self, method: Method, path: &str) -> ClientRequest {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.endpoint.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    async fn body<S>(&self, response: &mut ClientResponse<S>) -> Result<Vec<u8>, RemoteError>
    where
        S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    {
        let mut body = Vec::new();
        while let Some(piece) = response.next().await {
            let piece = piece.map_err(|error| self.unreachable(&error))?;
            if body.len() + piece.len() > LARGEST_ANSWER {
                return Err(self.foreign("its answer is too large"));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, RemoteError> {
        serde_json::from_slice(body)
            .map_err(|error| self.foreign(&format!("its answer cannot be read: {error}")))
    }

    fn refused(&self, status: StatusCode, kind: Option<&header::HeaderValue>, body: &[u8]) -> RemoteError {
        let is_problem = kind.is_some_and(|kind| kind.as_bytes().starts_with(PROBLEM_TYPE.as_bytes()));
        let problem = is_problem.then(|| serde_json::from_slice::<Problem>(body).ok()).flatten();
        match problem {
            Some(problem) if status == StatusCode::UNAUTHORIZED => {
                RemoteError::Unauthorized { endpoint: self.endpoint.to_string(), problem: problem.into() }
            }
            Some(problem) => RemoteError::Refused { problem: problem.into() },
            None if status == StatusCode::SERVICE_UNAVAILABLE => {
                RemoteError::Unhealthy(String::from_utf8_lossy(body).trim_end().to_owned())
            }
            None => self.foreign(&format!("it answers {status}")),
        }
    }

    fn late(&self, within: Duration) -> RemoteError {
        RemoteError::Timeout { endpoint: self.endpoint.to_string(), within_s: within.as_secs() }
    }

    fn unreachable(&self, cause: &impl ToString) -> RemoteError {
        RemoteError::Unreachable { endpoint: self.endpoint.to_string(), cause: cause.to_string() }
    }

    fn foreign(&self, cause: &str) -> RemoteError {
        RemoteError::NotMatterhost { endpoint: self.endpoint.to_string(), cause: cause.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix::test]
    async fn an_answer_that_is_late_is_no_host_that_is_away() {
        // It lets everybody in, and says nothing.
        let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", mute.local_addr().unwrap()).parse().unwrap();
        let client = Client::new(Endpoint { transport: Transport::Tcp { url, tls: None }, token: None });
        let asked = client.ask_within(Duration::from_millis(50), Method::POST, "/v1/reload", None).await;
        assert!(matches!(asked, Err(RemoteError::Timeout { within_s: 0, .. })), "{asked:?}");
    }
}
