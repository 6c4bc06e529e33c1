//! The body of a request that uploads a file: read by its handler, and held until the response is sent.

use std::{
    cell::RefCell,
    fs::File,
    io::Write as _,
    path::Path,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Instant,
};

use actix_web::{body::BoxBody, dev::Payload, error::PayloadError, http::StatusCode, web::Bytes};
use futures_util::{Stream, StreamExt as _};
use matterhost_actors::{
    model::{Excerpt, ReplyError, StoredFile},
    policy::TransferPace,
};
use tokio::{
    task::spawn_blocking,
    time::{Instant as Deadline, timeout_at},
};

use super::{api_error::ApiError, body, upload_space::FileSpace};

/// The bytes that are collected before they are written: a write takes a turn of another thread.
const WRITE_BYTES: usize = 256 * 1024;

/// The unread body of a request. Clones share it.
#[derive(Clone)]
pub(super) struct UploadBody(Rc<RefCell<Payload>>);

impl UploadBody {
    pub(super) fn new(payload: Payload) -> Self {
        Self(Rc::new(RefCell::new(payload)))
    }

    /// Returns a response body that holds what is left of the request's.
    pub(super) fn hold(self, answer: BoxBody) -> BoxBody {
        if matches!(&*self.0.borrow(), Payload::None) {
            return answer;
        }
        body::hold_until_sent(answer, self.0)
    }
}

impl Stream for UploadBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// Writes a stream to a file without a name, which disappears with the last handle. `name` is for errors.
///
/// # Errors
/// If it is longer than `most` bytes, too slow, or cannot be written, or if there is no space for it.
pub(super) async fn store<S, E>(
    stream: &mut S,
    dir: &Path,
    name: &str,
    most: u64,
    mut space: FileSpace,
) -> Result<StoredFile, ApiError>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    let mut file = tempfile::tempfile_in(dir).map_err(|error| no_room(&error))?;
    let mut pace = TransferPace::new(Instant::now());
    let mut waiting = Vec::new();
    loop {
        let next = timeout_at(Deadline::from_std(pace.deadline()), stream.next()).await;
        let Some(piece) = next.map_err(|_| too_slow())? else { break };
        let piece = piece.map_err(|error| unreadable(&error))?;
        pace.add(piece.len());
        if pace.bytes() > most {
            return Err(
                ReplyError::FileTooLarge { name: name.into(), bytes: pace.bytes(), limit: most }.into()
            );
        }
        waiting.extend_from_slice(&piece);
        if waiting.len() >= WRITE_BYTES {
            space.take(waiting.len())?;
            file = write(file, std::mem::take(&mut waiting)).await?;
        }
    }
    space.take(waiting.len())?;
    let file = write(file, waiting).await?;
    StoredFile::new(file, space).map_err(|error| no_room(&error))
}

async fn write(mut file: File, bytes: Vec<u8>) -> Result<File, ApiError> {
    let written = spawn_blocking(move || file.write_all(&bytes).map(|()| file)).await;
    written.map_err(|error| no_room(&error))?.map_err(|error| no_room(&error))
}

fn no_room(error: &impl std::fmt::Display) -> ApiError {
    ApiError::unavailable(format!(
        "the host cannot keep the file until it is uploaded: {}",
        Excerpt::of(error)
    ))
}

fn unreadable(error: &impl std::fmt::Display) -> ApiError {
    ApiError::bad_request(format!("the body cannot be read: {}", Excerpt::of(error)))
}

/// Returns the error for a body that arrives too slowly.
pub(super) fn too_slow() -> ApiError {
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "the file arrives too slowly; send at least 16 KiB a second")
}
