//! Request bodies, read whole within limits of size and time, and response bodies that hold a resource until they are sent.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_http::h1;
use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest},
    error::PayloadError,
    http::{StatusCode, header::CONTENT_LENGTH},
    web::{Bytes, BytesMut},
};
use futures_util::{Stream, StreamExt as _};
use matterhost_actors::model::Excerpt;
use tokio::time::timeout;

use super::{account_shares::AccountPlace, api_error::ApiError};
use crate::actions::MAX_ACTIONS_BYTES;

/// The largest body, except of actions and of files: many times what any other route takes.
pub(super) const MAX_BODY_BYTES: usize = 256 * 1024;
/// The requests with actions whose body is longer than [`MAX_BODY_BYTES`] that are in memory at once, from then until their actions
/// are done. All together they are 32 MiB of JSON; once parsed, short values take up to 16 times that.
pub(super) const MAX_LONG_BODIES: usize = 32;
/// The largest settings of an account: several times all of its keys. Each mistake in them is answered with a text.
pub(super) const MAX_ACCOUNT_BYTES: usize = 8 * 1024;
/// The time limit for a body, which also bounds clients that send a byte per second.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the body and stores it in the request, where the extractors find it.
pub(crate) async fn read<S>(request: &mut ServiceRequest, payload: &mut S) -> Result<(), ApiError>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    read_within(request, payload, |length| check_length(length, MAX_BODY_BYTES)).await
}

/// Reads a body with actions like [`read`]. A long one takes a place before more of it is read, to hold until its actions are done.
pub(super) async fn read_actions<S>(
    request: &mut ServiceRequest,
    payload: &mut S,
    take_place: impl Fn() -> Result<AccountPlace, ApiError>,
) -> Result<Option<AccountPlace>, ApiError>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let mut place = None;
    let admit = |length| {
        check_length(length, MAX_ACTIONS_BYTES)?;
        if length > MAX_BODY_BYTES && place.is_none() {
            place = Some(take_place()?);
        }
        Ok(())
    };
    read_within(request, payload, admit).await?;
    Ok(place)
}

/// Reads the body as long as each length that it is known to have is admitted.
async fn read_within<S>(
    request: &mut ServiceRequest,
    payload: &mut S,
    mut admit: impl FnMut(usize) -> Result<(), ApiError>,
) -> Result<(), ApiError>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    admit(length.unwrap_or_default())?;
    let Ok(read) = timeout(BODY_TIMEOUT, collect(payload, admit)).await else {
        let detail = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
        return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, detail));
    };
    let (_, mut body) = h1::Payload::create(true);
    body.unread_data(read?);
    request.set_payload(body.into());
    Ok(())
}

async fn collect<S>(
    payload: &mut S,
    mut admit: impl FnMut(usize) -> Result<(), ApiError>,
) -> Result<Bytes, ApiError>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            ApiError::bad_request(format!("the body cannot be read: {}", Excerpt::of(&error)))
        })?;
        admit(body.len() + chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn check_length(length: usize, limit: usize) -> Result<(), ApiError> {
    if length > limit { Err(too_large(limit)) } else { Ok(()) }
}

pub(super) fn too_large(limit: usize) -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body exceeds {limit} bytes"))
}

/// Holds the unread rest of a request until its response is sent. actix would otherwise read a dropped chunked body for as
/// long as the client sends it; a held one ends the connection.
pub(crate) fn hold_request(answer: BoxBody, request: Payload) -> BoxBody {
    match request {
        Payload::None => answer,
        request => hold_until_sent(answer, request),
    }
}

/// Wraps a response body so that `held` is dropped when the body is sent or dropped.
pub(super) fn hold_until_sent<T: Unpin + 'static>(answer: BoxBody, held: T) -> BoxBody {
    BoxBody::new(Holding { answer, _held: held })
}

/// A response body that ends before its announced length, which makes actix close the connection and drop the requests that
/// wait on it.
pub(super) fn abort() -> BoxBody {
    BoxBody::new(Aborted)
}

struct Aborted;

impl MessageBody for Aborted {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(1)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
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
    async fn a_slot_is_freed_when_the_response_is_sent_or_dropped() {
        let permits = Arc::new(Semaphore::new(1));
        let answer = || {
            let permit = Arc::clone(&permits).try_acquire_owned().unwrap();
            hold_until_sent(BoxBody::new("all of it"), permit)
        };
        let body = answer();
        assert_eq!((body.size(), permits.available_permits()), (BodySize::Sized(9), 0));
        assert_eq!(to_bytes(body).await.unwrap(), "all of it");
        assert_eq!(permits.available_permits(), 1);
        drop(answer());
        assert_eq!(permits.available_permits(), 1);
    }
}
