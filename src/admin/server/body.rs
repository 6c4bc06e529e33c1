//! Reads a request's body: whole, not too large, and in time; and waits for none that is not read.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_http::h1;
use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest},
    http::{StatusCode, header::CONTENT_LENGTH},
    web::{Bytes, BytesMut},
};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::api_error::ApiError;

/// The largest body: many times the longest post.
pub(super) const MAX_BODY_BYTES: usize = 256 * 1024;
/// How long a body may take to come; whoever sends a byte a second holds a connection no longer.
const WITHIN: Duration = Duration::from_secs(10);

/// Reads the body, and puts it where whoever takes it apart will look.
pub(super) async fn read(request: &mut ServiceRequest, payload: &mut Payload) -> Result<(), ApiError> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    let Ok(read) = timeout(WITHIN, whole(payload)).await else {
        let detail = format!("the body did not come within {} s", WITHIN.as_secs());
        return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, detail));
    };
    let (_, mut body) = h1::Payload::create(true);
    body.unread_data(read?);
    request.set_payload(body.into());
    Ok(())
}

async fn whole(payload: &mut Payload) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|error| ApiError::bad_request(format!("the body cannot be read: {error}")))?;
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn too_large() -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {MAX_BODY_BYTES} bytes here"))
}

/// Holds what was not read of a request until its answer is sent. The server below goes on reading a body in chunks that
/// nobody holds, for as long as somebody sends it; one that is held and was not read ends the connection.
pub(super) fn hold_request(answer: BoxBody, request: Payload) -> BoxBody {
    match request {
        Payload::None => answer,
        request => hold_until_sent(answer, request),
    }
}

/// An answer that holds something until it is sent, or nobody wants it any more.
pub(super) fn hold_until_sent<T: Unpin + 'static>(answer: BoxBody, held: T) -> BoxBody {
    BoxBody::new(Holding { answer, _held: held })
}

struct Holding<T> {
    answer: BoxBody,
    _held: T,
}

impl<T: Unpin + 'static> MessageBody for Holding<T> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::body::to_bytes;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_place_is_free_again_when_the_answer_is_sent_or_dropped() {
        let places = Arc::new(Semaphore::new(1));
        let answer = || {
            let place = Arc::clone(&places).try_acquire_owned().unwrap();
            hold_until_sent(BoxBody::new("all of it"), place)
        };
        let body = answer();
        assert_eq!((body.size(), places.available_permits()), (BodySize::Sized(9), 0));
        assert_eq!(to_bytes(body).await.unwrap(), "all of it");
        assert_eq!(places.available_permits(), 1);
        drop(answer());
        assert_eq!(places.available_permits(), 1);
    }
}
