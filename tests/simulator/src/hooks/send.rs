//! Sending a request to an integration.

use std::convert::Infallible;
use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http_body_util::{BodyExt as _, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::hooks::{HookAnswer, HookRequest, SentHook};

/// The time that an integration has to answer (fact 43).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Any reason why there is no answer: the server tells nobody.
type SendError = Box<dyn std::error::Error + Send + Sync>;

/// Sends a request, and waits for the answer.
pub(crate) async fn send(request: HookRequest) -> SentHook {
    let began = Instant::now();
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, exchange(&request)).await;
    let answer = answer.ok().and_then(Result::ok);
    SentHook { request, answer, took: began.elapsed() }
}

async fn exchange(request: &HookRequest) -> Result<HookAnswer, SendError> {
    let uri: Uri = request.url.parse()?;
    let authority =
        uri.authority().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?.as_str().to_owned();
    let stream = TcpStream::connect(&authority).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut head = Request::builder().method(request.method.as_str()).uri(path).header(HOST, authority);
    for (name, value) in &request.headers {
        head = head.header(name, value);
    }
    if !request.body.is_empty() {
        head = head.header(CONTENT_LENGTH, request.body.len());
    }
    let response = sender.send_request(head.body(body(request))?).await?;
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (status, content_type) = (response.status().as_u16(), content_type.unwrap_or_default().to_owned());
    let bytes = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await?.to_bytes();
    connection.abort();
    Ok(HookAnswer { status, content_type, body: String::from_utf8_lossy(&bytes).into_owned() })
}

fn body(request: &HookRequest) -> UnsyncBoxBody<Bytes, Infallible> {
    let bytes = Bytes::from(request.body.clone());
    let Some(pace) = request.pace else { return Full::new(bytes).boxed_unsync() };
    let pieces = stream::iter(0..bytes.len()).then(move |at| {
        let piece = bytes.slice(at..=at);
        async move {
            tokio::time::sleep(pace).await;
            Ok(Frame::data(piece))
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}
