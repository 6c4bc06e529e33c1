//! Files attached to posts, sent and received in pieces.

use std::{io, time::Duration};

use actix_http::{
    Method,
    header::{self, HeaderMap, HeaderValue},
};
use awc::ClientResponse;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, future::ready, stream, stream::LocalBoxStream};
use serde::Deserialize;
use tokio::{
    sync::OwnedSemaphorePermit,
    task::spawn_blocking,
    time::{error::Elapsed, timeout},
};

use super::client::RestRequest;
use crate::{
    mattermost::{
        Client, RateHeaders, RestError, RestErrorKind, RestResponse,
        transport::{TransportError, url::percent_encode},
    },
    model::{ChannelId, FileContent, FileId, Token},
    policy::transfer_time,
};

/// The bytes that are read from a stored file at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// The route of a file's content, as errors show it.
const CONTENT_ROUTE: &str = "/files/{file_id}";

/// A file to upload.
#[derive(Debug, Clone, Copy)]
pub struct NewFile<'a> {
    /// The channel that the post will be in.
    pub channel: &'a ChannelId,
    /// The file's name.
    pub name: &'a str,
    /// The content.
    pub content: &'a FileContent,
}

/// The content of a file on its way from the server. While it exists, it holds a connection.
pub struct IncomingFile {
    /// The number of bytes, if the server gave it.
    pub len: Option<u64>,
    pieces: LocalBoxStream<'static, Result<Bytes, RestError>>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl IncomingFile {
    /// Creates a file of these pieces, for a server that is simulated.
    pub fn of(pieces: Vec<Bytes>) -> Self {
        let len = Some(pieces.iter().map(|piece| piece.len() as u64).sum());
        Self { len, pieces: stream::iter(pieces).map(Ok).boxed_local(), _slot: None }
    }

    /// Returns the next piece; `None` at the end.
    ///
    /// # Errors
    /// If the connection breaks, or the server pauses for too long.
    pub async fn next(&mut self) -> Option<Result<Bytes, RestError>> {
        self.pieces.next().await
    }
}

impl std::fmt::Debug for IncomingFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IncomingFile").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Client {
    /// Uploads a file in the simple form, in which the body is the file. It belongs to no post until one names its id.
    ///
    /// # Errors
    ///
    /// A file that is too large is [`RestErrorKind::Refused`] with 413, or the server closes the connection during the
    /// upload.
    pub async fn upload_file(
        &self,
        token: &Token,
        file: NewFile<'_>,
    ) -> Result<RestResponse<FileId>, RestError> {
        const ROUTE: &str = "/files";
        #[derive(Deserialize)]
        struct Uploaded {
            file_infos: Vec<Info>,
        }
        #[derive(Deserialize)]
        struct Info {
            id: FileId,
        }
        let path = format!(
            "/files?channel_id={}&filename={}",
            percent_encode(file.channel.as_str()),
            percent_encode(file.name)
        );
        let request = RestRequest {
            method: Method::POST,
            route: ROUTE,
            path: &path,
            token: Some(token),
            etag: None,
            body: Some(("application/octet-stream", file.content.clone())),
            time_limit: self.limits().request_timeout + transfer_time(file.content.len()),
        };
        let response = self.execute_on(self.uploads(), request).await?;
        let body: Uploaded = response.json(ROUTE)?;
        let missing = || RestError::new(RestErrorKind::BadBody, ROUTE, "the response contains no file id");
        let value = body.file_infos.into_iter().next().ok_or_else(missing)?.id;
        Ok(RestResponse { value, rate: RateHeaders::read(&response.headers) })
    }

    /// Begins to download a file.
    ///
    /// # Errors
    ///
    /// A file that does not exist is [`RestErrorKind::NotFound`], one that the account may not see
    /// [`RestErrorKind::Refused`] with 403.
    pub async fn download_file(
        &self,
        token: &Token,
        id: &FileId,
    ) -> Result<RestResponse<IncomingFile>, RestError> {
        let path = format!("/files/{}", percent_encode(id.as_str()));
        let request = RestRequest {
            method: Method::GET,
            route: CONTENT_ROUTE,
            path: &path,
            token: Some(token),
            etag: None,
            body: None,
            time_limit: self.limits().request_timeout,
        };
        let (response, slot) = self.open(self.downloads(), request).await?;
        let head = response.headers().clone();
        check_plain(&head).map_err(|error| error.redact(Some(token)))?;
        let len = head.get(header::CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse().ok());
        let pieces = pieces(response, self.limits().request_timeout, token.clone());
        let value = IncomingFile { len, pieces, _slot: Some(slot) };
        Ok(RestResponse { value, rate: RateHeaders::read(&head) })
    }
}

/// Refuses an encoded content: it was not asked for, and its length would be another.
fn check_plain(headers: &HeaderMap) -> Result<(), RestError> {
    match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(()),
        Some(_) => {
            Err(RestError::new(RestErrorKind::BadBody, CONTENT_ROUTE, "the file is encoded, unasked for"))
        }
    }
}

/// Returns the pieces of a response's body. The server may pause for so long between two.
fn pieces<S>(
    response: ClientResponse<S>,
    pause: Duration,
    token: Token,
) -> LocalBoxStream<'static, Result<Bytes, RestError>>
where
    S: Stream<Item = Result<Bytes, awc::error::PayloadError>> + Unpin + 'static,
{
    let pieces = stream::unfold(response, move |mut response| async move {
        let late = |_: Elapsed| Some(Err(TransportError::timeout()));
        let piece =
            timeout(pause, response.next()).await.map(|piece| piece.map(|piece| piece.map_err(Into::into)));
        piece.unwrap_or_else(late).map(|piece| (piece, response))
    });
    let failed = move |error| RestError::from_transport(error, CONTENT_ROUTE).redact(Some(&token));
    pieces.map(move |piece| piece.map_err(&failed)).boxed_local()
}

/// Returns a content in pieces. A stored file is read on a thread that may block, within a tokio runtime.
pub fn content_pieces(content: FileContent) -> LocalBoxStream<'static, io::Result<Bytes>> {
    let file = match content {
        FileContent::Memory(bytes) => return stream::once(ready(Ok(bytes))).boxed_local(),
        FileContent::Stored(file) => file,
    };
    let len = FileContent::Stored(file.clone()).len();
    stream::try_unfold(0, move |offset: u64| {
        let file = file.clone();
        async move {
            if offset >= len {
                return Ok(None);
            }
            let read = spawn_blocking(move || file.read(offset, PIECE_BYTES)).await;
            let piece = read.map_err(io::Error::other)??;
            let next = offset + piece.len() as u64;
            Ok(Some((piece, next)))
        }
    })
    .boxed_local()
}
