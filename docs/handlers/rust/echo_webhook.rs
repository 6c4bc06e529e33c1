//! A webhook handler that echoes posts: `cargo run --example webhook_handler PORT`, with the secret in `HOOK_SECRET`.

#![expect(clippy::print_stdout, reason = "an example reports to its user on standard output")]

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use ring::hmac;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The greatest age of a request; an older one may be a recorded one, sent again.
const TOLERANCE_S: u64 = 300;
/// The largest body that is read, larger than any post with its attachments.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Returns true if one of the signatures matches the body and the request is recent.
fn is_signed(key: &hmac::Key, headers: &HeaderMap, body: &[u8]) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (id, sent) = (text("webhook-id"), text("webhook-timestamp"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if !sent.parse().is_ok_and(|sent: u64| now.abs_diff(sent) <= TOLERANCE_S) {
        return false;
    }
    let signed = [format!("{id}.{sent}.").as_bytes(), body].concat();
    let mut signatures = text("webhook-signature").split(' ').filter_map(|one| one.strip_prefix("v1,"));
    signatures
        .any(|one| BASE64_STANDARD.decode(one).is_ok_and(|tag| hmac::verify(key, &signed, &tag).is_ok()))
}

async fn handle(key: &hmac::Key, request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body =
        Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(anyhow::Error::from_boxed)?.to_bytes();
    if !is_signed(key, &head.headers, &body) {
        return answer(StatusCode::UNAUTHORIZED, &json!({"error": "the signature is wrong"}));
    }
    let event: Value = serde_json::from_slice(&body)?;
    println!("received {}", event["id"].as_str().unwrap_or_default());
    if event["type"] != "com.mattermost.posted" || event["own"] == true {
        return answer(StatusCode::OK, &json!({}));
    }
    let text = event["data"]["post"]["message"].as_str().unwrap_or_default();
    answer(StatusCode::OK, &json!({"text": format!("You said: {text}"), "in_thread": true}))
}

fn answer(status: StatusCode, answer: &Value) -> anyhow::Result<Response<Full<Bytes>>> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    Ok(response.body(Full::from(answer.to_string()))?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let secret = env::var("HOOK_SECRET").context("HOOK_SECRET must hold the secret")?;
    let key = BASE64_STANDARD.decode(secret.trim_start_matches("whsec_"))?;
    let key: &'static _ = Box::leak(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &key)));
    let port = env::args().nth(1).context("give the port to listen at")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening {}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let service = service_fn(move |request| handle(key, request));
            // If the connection breaks, the client opens a new one.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
