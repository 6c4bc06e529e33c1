//! Reads a request's body: whole, not too large, and in time.

use std::time::Duration;

use actix_http::h1;
use actix_web::{
    dev::ServiceRequest,
    http::{StatusCode, header::CONTENT_LENGTH},
    web::Bytes,
};
use tokio::time::timeout;

use super::refusal::Refusal;

/// The largest body: many times the longest post.
pub(super) const LARGEST: usize = 256 * 1024;
/// How long a body may take to come; whoever sends a byte a second holds a connection no longer.
const WITHIN: Duration = Duration::from_secs(10);

/// Reads the body, and puts it back for whoever takes it apart.
pub(super) async fn read(request: &mut ServiceRequest) -> Result<(), Refusal> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > LARGEST) {
        return Err(too_large());
    }
    let Ok(read) = timeout(WITHIN, request.extract::<Bytes>()).await else {
        let detail = format!("the body did not come within {} s", WITHIN.as_secs());
        return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, detail));
    };
    let body = read.map_err(|error| match error.as_response_error().status_code() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Refusal::bad(format!("the body cannot be read: {error}")),
    })?;
    let (_, mut payload) = h1::Payload::create(true);
    payload.unread_data(body);
    request.set_payload(payload.into());
    Ok(())
}

fn too_large() -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {LARGEST} bytes here"))
}
