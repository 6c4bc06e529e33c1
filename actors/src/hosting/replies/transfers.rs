//! Uploads and downloads of files as an account.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix::{ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, WrapFuture as _};
use bytes::Bytes;
use serde::Deserialize;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{
    AccountContext, LOOKUP_DEADLINE, Replies,
    client::{FailedRequest, ReplyClient},
    execute::{is_missing, repeat},
    look_up::look_up,
    parts::check_files,
    posting::wait_before_retry,
    send_result,
};
use crate::{
    mattermost::{IncomingFile, NewFile, RestResponse},
    model::{
        Attachment, ChannelId, Excerpt, FileContent, FileId, Lookup, OutgoingAction, PostedIds, ReplyError,
        ReplyKey, ServerLimits,
    },
    policy::{ReplyStep, RequestRetry, TransferPace, transfer_time},
    ports::FileDownload,
};

/// The most downloads in flight for one account; a handler that asks for more is refused.
const MAX_DOWNLOADS: usize = 4;

/// The pieces of a download that wait for its reader. While there are as many, nothing is read from the server.
const WAITING_PIECES: usize = 2;

/// Begins a download. The file goes to `done`, which is dropped if it is lost.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct OpenFile {
    /// The account's current context.
    pub(in crate::hosting) context: Arc<AccountContext>,
    pub(in crate::hosting) id: FileId,
    pub(in crate::hosting) done: oneshot::Sender<Result<FileDownload, ReplyError>>,
}

/// Asks for the sizes that the server takes. They go to `done`, which is dropped if they are lost.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hosting) struct ReadLimits {
    /// The account's current context.
    pub(in crate::hosting) context: Arc<AccountContext>,
    pub(in crate::hosting) done: oneshot::Sender<Result<ServerLimits, ReplyError>>,
}

impl Handler<OpenFile> for Replies {
    type Result = ();

    fn handle(&mut self, OpenFile { context, id, done }: OpenFile, ctx: &mut Context<Self>) {
        let account = context.account.clone();
        self.client.update_context(context);
        if self.downloads >= MAX_DOWNLOADS {
            return send_result(done, Err(ReplyError::QueueFull { account, limit: "4 downloads" }));
        }
        self.downloads += 1;
        let sending = download(self.client.clone(), id, done).into_actor(self);
        ctx.spawn(sending.map(|(), act, _| act.downloads -= 1));
    }
}

impl Handler<ReadLimits> for Replies {
    type Result = ();

    fn handle(&mut self, ReadLimits { context, done }: ReadLimits, ctx: &mut Context<Self>) {
        self.client.update_context(context);
        let client = self.client.clone();
        let reading = async move { client.file_limits(Instant::now() + LOOKUP_DEADLINE).await };
        ctx.spawn(reading.into_actor(self).map(|limits, _, _| send_result(done, Ok(limits))));
    }
}

/// Returns the time that the files of an action may take beyond its deadline.
pub(in crate::hosting) fn transfer_time_of(action: &OutgoingAction) -> Duration {
    let bytes = match action {
        OutgoingAction::Post(draft) => draft.files.iter().map(|file| file.bytes.len()).sum(),
        OutgoingAction::Upload { file, .. } => file.bytes.len(),
        _ => 0,
    };
    if bytes == 0 { Duration::ZERO } else { transfer_time(bytes) }
}

/// Uploads a file, unless that was done with the same key a while ago.
pub(super) async fn upload(
    client: &ReplyClient,
    channel: ChannelId,
    file: Attachment,
    key: Option<ReplyKey>,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    let uploaded = |id| PostedIds { files: vec![id], ..PostedIds::default() };
    let known = |key: &ReplyKey| client.uploads.borrow().find(&channel, key.as_str()).cloned();
    if let Some(id) = key.as_ref().and_then(known) {
        return Ok(uploaded(id));
    }
    check_files(std::slice::from_ref(&file), 0, client.file_limits(deadline).await)?;
    let mut retry = RequestRetry::idempotent(deadline.into_std());
    let id = loop {
        match send_file(client, &channel, &file, deadline).await? {
            Ok(id) => break id,
            Err(failed) => wait_before_retry(client, &mut retry, ReplyStep::Send, failed).await?,
        }
    };
    if let Some(key) = key {
        client.uploads.borrow_mut().insert(&channel, key.as_str(), id.clone());
    }
    Ok(uploaded(id))
}

/// Attempts once to upload a file. A file that no post refers to is invisible, so it may be uploaded twice.
///
/// # Errors
/// If the file is not the one that was given.
pub(super) async fn send_file(
    client: &ReplyClient,
    channel: &ChannelId,
    file: &Attachment,
    deadline: Instant,
) -> Result<Result<FileId, FailedRequest>, ReplyError> {
    if matches!(&file.bytes, FileContent::Stored(stored) if !stored.has_its_length()) {
        return Err(ReplyError::FileChanged { name: file.name.clone() });
    }
    let new = NewFile { channel, name: &file.name, content: &file.bytes };
    let sent = client.transfer(deadline, async |api, token| api.upload_file(token, new).await).await;
    Ok(sent.map_err(FailedRequest::into_retryable))
}

/// Begins a download, hands it over, and sends its pieces as fast as they are read.
async fn download(
    client: Rc<ReplyClient>,
    id: FileId,
    done: oneshot::Sender<Result<FileDownload, ReplyError>>,
) {
    match open(&client, &id).await {
        Err(error) => send_result(done, Err(error)),
        Ok((mut download, incoming)) => {
            let (sender, pieces) = mpsc::channel(WAITING_PIECES);
            download.pieces = pieces;
            send_result(done, Ok(download));
            forward(incoming, &sender).await;
        }
    }
}

/// Returns a file with its description.
async fn open(client: &Rc<ReplyClient>, id: &FileId) -> Result<(FileDownload, IncomingFile), ReplyError> {
    #[derive(Deserialize)]
    struct Info {
        name: String,
        size: u64,
        #[serde(default)]
        mime_type: String,
    }
    let deadline = Instant::now() + LOOKUP_DEADLINE;
    let found = look_up(client.clone(), Lookup::File(id.clone()), deadline).await?;
    let refused = |cause| ReplyError::Refused { cause };
    let Info { name, size, mime_type } =
        serde_json::from_str(found.json().get()).map_err(|error| refused(Excerpt::of(&error)))?;
    let incoming = repeat(client, deadline, async |api, token| match api.download_file(token, id).await {
        Err(error) if is_missing(&error) => Ok(RestResponse { value: None, rate: None }),
        answer => answer.map(|RestResponse { value, rate }| RestResponse { value: Some(value), rate }),
    });
    let Some(incoming) = incoming.await? else {
        let (account, what) = (client.context().account.clone(), Excerpt::of(&Lookup::File(id.clone())));
        return Err(ReplyError::NotFound { account, what });
    };
    let len = incoming.len.unwrap_or(size);
    let (_, pieces) = mpsc::channel(1);
    Ok((FileDownload { name, content_type: mime_type, len, pieces }, incoming))
}

/// Sends the pieces of a file, until it ends or fails or its reader is gone or too slow.
async fn forward(mut incoming: IncomingFile, pieces: &mpsc::Sender<Result<Bytes, Excerpt>>) {
    let mut pace = TransferPace::new(Instant::now().into_std());
    while let Some(piece) = incoming.next().await {
        let piece = piece.map_err(|error| Excerpt::of(&error));
        let (bytes, failed) = (piece.as_ref().map_or(0, Bytes::len), piece.is_err());
        let sent = timeout_at(pace.deadline().into(), pieces.send(piece)).await;
        if failed || !matches!(sent, Ok(Ok(()))) {
            return;
        }
        pace.add(bytes);
    }
}
