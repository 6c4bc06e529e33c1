//! From an HTTP request to a WebSocket. It succeeds with any token or none (fact 1).

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::hub::register::Resume;
use crate::rest::response::ApiResponse;
use crate::server::transport::Transport;
use crate::state::Shared;
use crate::ws::socket_task::{self, UpgradeParams};

/// Answers 101 and starts the socket's task.
pub(crate) fn accept(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
    token: Option<String>,
) -> Response<Full<Bytes>> {
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else {
        let text = "Bad Request\n".to_owned();
        return ApiResponse::new(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", text).into_response();
    };
    let accept = derive_accept_key(key.as_bytes());
    let params = UpgradeParams { token, resume: resume(request.uri().query().unwrap_or_default()) };
    let task = Arc::clone(shared);
    shared.runtime.spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else {
            return;
        };
        if let Ok(parts) = upgraded.downcast::<TokioIo<Transport>>() {
            socket_task::run(parts.io.into_inner(), parts.read_buf, params, task).await;
        }
    });
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

fn resume(text: &str) -> Option<Resume> {
    let mut query = query(text);
    let connection_id = query.remove("connection_id").filter(|id| !id.is_empty())?;
    let sequence_number = query.get("sequence_number").and_then(|n| n.parse().ok());
    Some(Resume { connection_id, sequence_number })
}

/// The parts of a query. Ids and numbers need no decoding, and nothing else is asked for.
pub(crate) fn query(text: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}
