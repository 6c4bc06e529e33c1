//! The checks of every request (host, origin, token, rate, body) and the headers of every response.

use std::cell::Cell;

use actix_web::{
    Error, HttpMessage as _, HttpResponse, ResponseError as _,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Extensions, ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use tokio::task::yield_now;

use matterhost_actors::model::AccountName;

use super::{
    account_shares::AccountPlace, api_error::ApiError, authenticator::Authenticator, backend::Backend, body,
    file_routes, late_answers, open_connections::OpenConnections, scope, upload_body::UploadBody,
};
use crate::{
    admin::ui::{ASSETS, CONTENT_SECURITY_POLICY, DOCUMENTS},
    config::TokenScope,
};

/// The headers that keep every response from other sites, caches and frames.
const SECURITY_HEADERS: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("content-security-policy", CONTENT_SECURITY_POLICY),
];

/// The use of a connection. actix answers all requests that a client sends at once, whatever the keep-alive.
#[derive(Debug, Default)]
struct ConnectionUse {
    has_request: Cell<bool>,
}

/// Marks the connection of a request that has come, so that it is kept until the answer is sent.
fn request_came(request: &ServiceRequest) {
    if let Some(connections) = request.app_data::<OpenConnections>() {
        connections.request_came(request.peer_addr());
    }
}

/// Answers a request of anybody. Its connection is kept until the answer, which is short, is there.
pub(crate) async fn answer_anybody<B>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error>
where
    B: MessageBody + 'static,
{
    let (connections, client) = (request.app_data::<OpenConnections>().cloned(), request.peer_addr());
    let answer = next.call(request);
    match connections {
        Some(connections) => connections.while_answering(client, answer).await,
        None => answer.await,
    }
}

/// Prepares a new connection for counting its requests.
pub(super) fn on_connect(data: &mut Extensions) {
    data.insert(ConnectionUse::default());
}

/// Returns true if the connection has had a request before.
fn is_further_request(request: &ServiceRequest) -> bool {
    request.conn_data::<ConnectionUse>().is_some_and(|connection| connection.has_request.replace(true))
}

/// Returns the response that ends a connection on which a request was answered before.
pub(crate) async fn refuse_further_request(request: &ServiceRequest) -> Option<HttpResponse> {
    if !is_further_request(request) {
        return None;
    }
    // First the response before is written.
    yield_now().await;
    Some(HttpResponse::BadRequest().finish().map_body(|_, _| body::abort()))
}

/// Admits a request or refuses it, and adds the security headers. Only the first request of a connection is answered.
pub(super) async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(refused) = refuse_further_request(&request).await {
        return Ok(request.into_response(refused));
    }
    let is_head = request.method() == Method::HEAD;
    let payload = UploadBody::new(request.take_payload());
    let mut response = match admit(&mut request, &payload).await {
        // Handlers and extractors turn their errors into responses, so an error here is not theirs.
        Ok(_) if is_public(&request) => answer_anybody(request, next).await?.map_into_boxed_body(),
        Ok(place) => {
            let answer = next.call(request).await;
            drop(place);
            answer?.map_into_boxed_body()
        }
        Err(error) => request.into_response(error.error_response()),
    };
    add_security_headers(response.headers_mut());
    let response = if is_head { without_stream(response) } else { response };
    Ok(response.map_body(|_, answer| payload.hold(answer)))
}

/// Admits a request. Returns the place of a long body, to hold until the answer is there.
async fn admit(request: &mut ServiceRequest, payload: &UploadBody) -> Result<Option<AccountPlace>, ApiError> {
    let Some(backend) = request.app_data::<Data<Backend>>().cloned() else {
        return Err(ApiError::unavailable("the host is shutting down"));
    };
    let public = is_public(request);
    // A probe with a query lists accounts and is checked like any other request.
    let probe = public && is_probe(request.path());
    if !probe {
        backend.authenticator.check_host_name(request.uri(), request.headers())?;
        // Links from other sites to the page are allowed: its files contain no data.
        if !is_asset(request.path()) {
            Authenticator::check_same_site(request.uri(), request.headers())?;
        }
    }
    if public {
        return if probe { Ok(None) } else { backend.anonymous_rate.take().map(|()| None) };
    }
    if late_answers::takes_reply_token(request.method(), routed_path(request)) {
        let event = late_answers::authenticate(&backend, request.headers())?;
        backend.reply_rate.take()?;
        let account = late_answers::takes_actions(routed_path(request)).then(|| event.account.clone());
        request.extensions_mut().insert(event);
        request_came(request);
        return take_body(request, payload, (&backend, account)).await;
    }
    let caller = backend.authenticator.authenticate(request.headers())?;
    // Checked after the token, so that strangers cannot use up the rate of authenticated callers.
    let rate = match caller.scope {
        TokenScope::Full => &backend.full_rate,
        TokenScope::Act(_) => &backend.act_rate,
        TokenScope::Read => &backend.read_rate,
    };
    rate.take()?;
    scope::check(&caller.scope, request.method(), request.uri())?;
    request.extensions_mut().insert(caller);
    request_came(request);
    let account = scope::account_of_actions(request.uri());
    take_body(request, payload, (&backend, account)).await
}

/// Reads the body of a request, which takes actions as an account or not. One that uploads a file reads it itself.
async fn take_body(
    request: &mut ServiceRequest,
    payload: &UploadBody,
    (backend, account): (&Backend, Option<AccountName>),
) -> Result<Option<AccountPlace>, ApiError> {
    let payload = &mut payload.clone();
    match (request.method().clone(), account) {
        (Method::POST, _) if file_routes::is_upload(routed_path(request)) => {
            request.extensions_mut().insert(payload.clone());
            Ok(None)
        }
        (Method::POST, Some(account)) => {
            body::read_actions(request, payload, || backend.long_body_place(&account)).await
        }
        (Method::POST | Method::PUT, _) => body::read(request, payload).await.map(|()| None),
        _ => Ok(None),
    }
}

/// Returns the path by which a request finds its route. Characters that need no percent-encoding are decoded in it.
fn routed_path(request: &ServiceRequest) -> &str {
    request.match_info().as_str()
}

/// Drops a streaming body from the response to a HEAD request, which would otherwise never end.
fn without_stream(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    match response.response().body().size() {
        BodySize::Stream => response.map_body(|_, _| BoxBody::new(())),
        BodySize::None | BodySize::Sized(_) => response,
    }
}

/// True for the probes of process managers, which have no token and may use any host name.
fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz")
}

/// True for paths that reveal nothing about the accounts, and for the one that checks the code of a link itself.
fn is_public(request: &ServiceRequest) -> bool {
    // Other spellings of these paths are not public.
    let path = request.path();
    match path {
        "/livez" | "/openapi.json" | "/v1/sign-in" => true,
        "/readyz" => request.query_string().is_empty(),
        path => is_asset(path),
    }
}

/// True for the files of the web page.
fn is_asset(path: &str) -> bool {
    ASSETS.iter().chain(DOCUMENTS).any(|asset| asset.path == path)
}

fn add_security_headers(headers: &mut HeaderMap) {
    for (name, value) in SECURITY_HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

#[cfg(test)]
mod tests;
