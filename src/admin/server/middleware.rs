//! What every request passes: whose it is, whether it is meant for this host, how large and how slow it may be; and what
//! every answer carries.

use actix_web::{
    Error, HttpMessage as _, ResponseError as _,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};

use super::{api_error::ApiError, authenticator::Authenticator, backend::Backend, body, files};
use crate::admin::ui::CONTENT_SECURITY_POLICY;

/// What every answer carries: nothing of it is for another site, a cache or a frame.
const HEADERS: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("content-security-policy", CONTENT_SECURITY_POLICY),
];

/// Lets a request in, or says why not.
pub(super) async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let only_head = request.method() == Method::HEAD;
    let mut payload = request.take_payload();
    let mut response = match admit(&mut request, &mut payload).await {
        // Handlers and extractors answer with a Refusal themselves: an error here is none of theirs.
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
        Err(refusal) => request.into_response(refusal.error_response()),
    };
    add_security_headers(response.headers_mut());
    let response = if only_head { without_stream(response) } else { response };
    Ok(response.map_body(|_, answer| body::hold_request(answer, payload)))
}

async fn admit(request: &mut ServiceRequest, payload: &mut Payload) -> Result<(), ApiError> {
    let Some(backend) = request.app_data::<Data<Backend>>().cloned() else {
        return Err(ApiError::unavailable("the host is ending"));
    };
    let open = is_open_to_all(request);
    // With a query it tells of the accounts, and is a question like any other.
    let probe = open && is_probe(request.path());
    if !probe {
        backend.authenticator.check_host_name(request.uri(), request.headers())?;
        // A link on another site may lead to the page, whose files tell nothing.
        if !files::is_asset(request.path()) {
            Authenticator::check_same_site(request.uri(), request.headers())?;
        }
    }
    if open {
        return if probe { Ok(()) } else { backend.anonymous_rate.take() };
    }
    let caller = backend.authenticator.authenticate(request.headers())?;
    // Whoever is not let in takes no leave from those who are.
    backend.authenticated_rate.take()?;
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && !caller.may_change {
        return Err(ApiError::forbidden("this token may look, and change nothing; show the full one"));
    }
    request.extensions_mut().insert(caller);
    if matches!(*request.method(), Method::POST | Method::PUT) {
        body::read(request, payload).await?;
    }
    Ok(())
}

/// The head of an answer whose body never ends: else it would be waited for, and never come.
fn without_stream(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    match response.response().body().size() {
        BodySize::Stream => response.map_body(|_, _| BoxBody::new(())),
        BodySize::None | BodySize::Sized(_) => response,
    }
}

/// Whoever looks after processes has no token, and may know a process by any name.
fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz")
}

/// What tells nothing of the accounts.
fn is_open_to_all(request: &ServiceRequest) -> bool {
    let path = request.path();
    match path {
        "/livez" | "/openapi.json" => true,
        "/readyz" => request.query_string().is_empty(),
        path => files::is_asset(path),
    }
}

fn add_security_headers(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
