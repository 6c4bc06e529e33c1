//! One HTTP connection: each request finds its route, or becomes a WebSocket.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderMap, IF_NONE_MATCH};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::fault::{FaultKind, FaultSubject};
use crate::hooks::finish_call;
use crate::rest::middleware::Interception;
use crate::rest::request::ApiRequest;
use crate::rest::response::{ApiResponse, route_not_found, unauthorized};
use crate::rest::router::{self, Params, Route};
use crate::server::io::IoControl;
use crate::server::transport::Transport;
use crate::state::Shared;
use crate::ws::upgrade;

const API: &str = "/api/v4/";
/// Largest request body that is read: a file of the size that is allowed, and what stands around it.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// An interim answer, as a proxy sends it before the server has answered.
const EARLY_HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";

/// The context that all requests of a connection share.
#[derive(Clone)]
struct Peer {
    shared: Arc<Shared>,
    address: IpAddr,
    control: Arc<IoControl>,
    key: u64,
}

/// Serves a connection until it ends or becomes a WebSocket.
pub(crate) async fn serve(transport: Transport, address: IpAddr, shared: Arc<Shared>) {
    let peer = Peer { shared, address, control: Arc::clone(transport.control()), key: transport.key() };
    let service = service_fn(move |request| {
        let peer = peer.clone();
        async move { Ok::<_, Infallible>(answer(peer, request).await) }
    });
    // The connection's end is the client's business, or a script's: there is nothing to report.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(transport), service)
        .with_upgrades()
        .await;
}

async fn answer(peer: Peer, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let token = bearer(request.headers());
    let path = api_path(&peer.shared, request.uri().path());
    let is_upgrade = path.as_deref() == Some("websocket");
    let route = path.as_deref().and_then(|path| find(&peer, request.method().as_str(), path));
    let name = if is_upgrade { Some("GET /websocket") } else { route.as_ref().map(|r| r.0.name) };
    let (interception, user) = intercept(&peer, token.as_deref(), name);
    if interception.silent {
        peer.control.silence();
        peer.control.wait_for_silence_end().await;
    }
    if interception.early_hints {
        peer.control.write_first(EARLY_HINTS);
    }
    if let Some(delay) = interception.slow {
        tokio::time::sleep(delay).await;
    }
    let answer = match (interception.answer, route) {
        (Some(answer), _) => answer,
        (None, _) if is_upgrade => return upgrade::accept(&peer.shared, request, token),
        (None, None) => route_not_found(peer.shared.lock().options.version, request.uri().path()),
        (None, Some((route, params))) => {
            let answer = run(&peer, route, params, user.clone(), request).await;
            let subject = FaultSubject { user: user.as_deref(), route: name };
            lose(&peer, &subject).await;
            peer.shared.change(|state| state.change_answer(&subject, answer))
        }
    };
    let answer = match interception.quota {
        Some(quota) => quota.add_headers(answer),
        None => answer,
    };
    finish(&peer, answer).await
}

fn intercept(peer: &Peer, token: Option<&str>, route: Option<&str>) -> (Interception, Option<String>) {
    peer.shared.change(|state| {
        let user = token.and_then(|t| state.world.authenticate(t)).map(ToOwned::to_owned);
        if let (Some(tcp), Some(user)) = (state.tcp.get_mut(&peer.key), &user) {
            tcp.user = Some(user.clone());
        }
        let interception = state.intercept(peer.address, &FaultSubject { user: user.as_deref(), route });
        (interception, user)
    })
}

/// The path below `/api/v4/`, if it is below the sub-path at all.
fn api_path(shared: &Shared, path: &str) -> Option<String> {
    let sub_path = shared.lock().options.sub_path.clone();
    let path = path.strip_prefix(&sub_path)?;
    let beside = || path.starts_with(router::BESIDE_API).then_some(&path[1..]);
    path.strip_prefix(API).or_else(beside).map(ToOwned::to_owned)
}

fn find(peer: &Peer, method: &str, path: &str) -> Option<(Route, Params)> {
    let found = router::find(method, &format!("/{path}"))?;
    let absent =
        found.0.name == "GET /users/{user_id}/channels" && !peer.shared.lock().options.lists_all_channels();
    (!absent).then_some(found)
}

async fn run(
    peer: &Peer,
    route: Route,
    params: Params,
    user: Option<String>,
    request: Request<Incoming>,
) -> ApiResponse {
    if user.is_none() && !router::is_public(&route) {
        return peer.shared.change(|state| state.error_response(unauthorized()));
    }
    let if_none_match =
        request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let query = upgrade::query(request.uri().query().unwrap_or_default());
    let raw = Limited::new(request.into_body(), BODY_LIMIT).collect().await;
    let raw = raw.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let body = serde_json::from_slice(&raw).unwrap_or_default();
    let call = ApiRequest { user: user.unwrap_or_default(), params, query, body, raw, if_none_match };
    let answer = peer.shared.change(|state| match (route.handle)(state, &call) {
        Ok(answer) => answer,
        Err(error) => state.error_response(error),
    });
    let mut answer = finish_call(&peer.shared, answer).await;
    if let Some(call) = answer.after.take() {
        let shared = Arc::clone(&peer.shared);
        tokio::spawn(async move { finish_call(&shared, ApiResponse::calling(call)).await });
    }
    answer
}

/// Ends the connection in place of the answer, where a fault wants that: then it never returns.
async fn lose(peer: &Peer, subject: &FaultSubject<'_>) {
    if peer.shared.change(|state| state.faults.trigger(subject, |k| *k == FaultKind::LostResponse)).is_some()
    {
        peer.control.drop_connection();
        std::future::pending::<()>().await;
    }
}

/// Waits for a post that is committed late, and commits it, also if the client does not wait.
async fn finish(peer: &Peer, mut answer: ApiResponse) -> Response<Full<Bytes>> {
    if let Some(commit) = answer.commit.take() {
        let shared = Arc::clone(&peer.shared);
        let committing = tokio::spawn(async move {
            tokio::time::sleep(commit.after).await;
            shared.change(|state| state.reveal_post(&commit.post_id, &commit.mentions));
        });
        // It ends with the runtime, as the answer does.
        let _ = committing.await;
    }
    let (version, date) = {
        let mut state = peer.shared.lock();
        (state.version_line(), state.world.date())
    };
    let answer = answer.header("X-Version-Id", &version);
    match date {
        Some(date) => answer.header("Date", &date),
        None => answer,
    }
    .into_response()
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    known.then(|| token.trim().to_owned())
}
