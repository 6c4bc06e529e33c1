//! The routes by which files are uploaded and downloaded as an account.

use std::{sync::Arc, time::Duration};

use actix_multipart::Multipart;
use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::{
        Method, StatusCode,
        header::{
            CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, Charset, ContentDisposition, DispositionParam,
            DispositionType, ExtendedValue, HeaderMap, HeaderValue,
        },
    },
    web::{Bytes, Data, Path, Query, ReqData},
};
use futures_util::{Stream, StreamExt as _, stream};
use matterhost_actors::{
    model::{
        AccountName, Attachment, ChannelId, Excerpt, FileContent, FileId, OutgoingAction, ReplyError,
        ReplyKey, Target, check_file_name, is_full_id, printable,
    },
    ports::FileDownload,
};
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::IntoParams;

use super::{
    api_error::ApiError,
    authenticator::Caller,
    backend::Backend,
    body::hold_until_sent,
    bot_actions::idempotency_key,
    upload_body::{UploadBody, store, too_slow},
    upload_space::UploadPermit,
};
use crate::{
    actions::{ActionDone, AnsweredEvent, MAX_FILES, file_id_schema, target_schema},
    admin::dto::Problem,
};

/// The time limit for the head of a part of a form, and for what stands before it.
const PART_TIMEOUT: Duration = Duration::from_secs(30);

/// The query of an upload.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UploadQuery {
    /// The channel of the post that will have the file.
    #[param(schema_with = target_schema)]
    target: String,
    /// The name under which people see the file; required unless the body is a form.
    #[param(min_length = 1, max_length = 255)]
    name: Option<String>,
}

/// The query of an upload in answer to an event.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AnswerUploadQuery {
    /// The channel of the post that will have the file; that of the event if it is left out.
    #[param(schema_with = target_schema, required = false)]
    target: Option<String>,
    /// The name under which people see the file; required unless the body is a form.
    #[param(min_length = 1, max_length = 255)]
    name: Option<String>,
}

/// The place of an upload.
struct UploadPlace<'a> {
    account: &'a AccountName,
    target: Target,
    event: Option<&'a AnsweredEvent>,
}

/// A file or several to upload, before they are read.
struct Upload<'a> {
    backend: &'a Backend,
    account: &'a AccountName,
    channel: ChannelId,
    key: Option<&'a str>,
    /// The event that is answered, for which the key is.
    event: Option<&'a AnsweredEvent>,
    /// The most bytes of a file.
    limit: u64,
    permit: UploadPermit,
}

/// True if the body of a POST request to this path is a file.
pub(super) fn is_upload(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    matches!(
        [parts.next(), parts.next(), parts.next(), parts.next(), parts.next()],
        [Some("v1"), Some("accounts"), Some(_), Some("files"), None]
            | [Some("v1"), Some("replies"), Some("files"), None, None]
    )
}

/// Upload a file as an account
///
/// The body is the file, or a form (`multipart/form-data`) of at most ten files. A file is not shown until a post in the same
/// channel names its id in `files`.
#[utoipa::path(post, path = "/v1/accounts/{name}/files", tag = "actions",
    params(("name" = String, Path, description = "The account's name"), UploadQuery,
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,240}$", description = "A recent upload to the channel with the same key is not repeated; for the files of a form, it is followed by # and the index")),
    request_body(content = String, content_type = "application/octet-stream", description = "The file"),
    responses((status = 200, description = "The ids of the files", body = ActionDone),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn upload(
    backend: Data<Backend>,
    name: Path<String>,
    query: Query<UploadQuery>,
    request: HttpRequest,
    body: ReqData<UploadBody>,
) -> Result<HttpResponse, ApiError> {
    let account = backend.hosted_name(&name)?;
    let UploadQuery { target, name } = query.into_inner();
    let place = UploadPlace { account: &account, target: parse_target(&target)?, event: None };
    take(&backend, place, name, &request, body.into_inner()).await
}

/// Upload a file to post it in answer to an event, with its reply token as the bearer token
///
/// As the upload as an account. Without `target`, it is for the channel of the event.
#[utoipa::path(post, path = "/v1/replies/files", tag = "actions", security(("reply" = [])),
    params(AnswerUploadQuery,
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,240}$", description = "A recent upload for the event with the same key is not repeated; for the files of a form, it is followed by # and the index")),
    request_body(content = String, content_type = "application/octet-stream", description = "The file"),
    responses((status = 200, description = "The ids of the files", body = ActionDone),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn upload_answer(
    backend: Data<Backend>,
    event: ReqData<AnsweredEvent>,
    query: Query<AnswerUploadQuery>,
    request: HttpRequest,
    body: ReqData<UploadBody>,
) -> Result<HttpResponse, ApiError> {
    let AnswerUploadQuery { target, name } = query.into_inner();
    let target = match target {
        Some(target) => parse_target(&target)?,
        None if event.channel.as_str().is_empty() => {
            let detail = "the event has no channel; name one in target";
            return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
        None => Target::Id(event.channel.clone()),
    };
    let place = UploadPlace { account: &event.account, target, event: Some(&event) };
    take(&backend, place, name, &request, body.into_inner()).await
}

/// Download a file as an account
///
/// The response is the file, with its type and name. It shows what the account may see, so the full token is required.
#[utoipa::path(get, path = "/v1/accounts/{name}/files/{id}", tag = "actions",
    params(("name" = String, Path, description = "The account's name"), FilePath),
    responses((status = 200, description = "The file", body = String, content_type = "application/octet-stream"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn download(
    backend: Data<Backend>,
    caller: ReqData<Caller>,
    path: Path<(String, String)>,
    method: Method,
) -> Result<HttpResponse, ApiError> {
    if !caller.may_change {
        return Err(ApiError::forbidden(
            "this token is read-only, and a file belongs to a post; use the full token",
        ));
    }
    let (name, id) = path.into_inner();
    send(&backend, &backend.hosted_name(&name)?, &id, &method).await
}

/// Download a file with the reply token of an event as the bearer token
///
/// As the download as an account.
#[utoipa::path(get, path = "/v1/replies/files/{id}", tag = "actions", security(("reply" = [])),
    params(FilePath),
    responses((status = 200, description = "The file", body = String, content_type = "application/octet-stream"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn download_for_answer(
    backend: Data<Backend>,
    event: ReqData<AnsweredEvent>,
    id: Path<String>,
    method: Method,
) -> Result<HttpResponse, ApiError> {
    send(&backend, &event.account, &id, &method).await
}

/// The file in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it only describes the path")]
pub(super) struct FilePath {
    /// The file's id.
    #[param(schema_with = file_id_schema)]
    id: String,
}

fn parse_target(target: &str) -> Result<Target, ApiError> {
    target.parse().map_err(|error| ApiError::bad_request(format!("target: {error}")))
}

/// Takes the files of a request.
async fn take(
    backend: &Backend,
    place: UploadPlace<'_>,
    name: Option<String>,
    request: &HttpRequest,
    body: UploadBody,
) -> Result<HttpResponse, ApiError> {
    // First: a look-up may wait for as long as the server is away.
    let permit = backend.upload_permit()?;
    let UploadPlace { account, target, event } = place;
    let key = idempotency_key(request)?;
    let headers = request.headers();
    check_plain(headers)?;
    let is_form = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/"));
    if !is_form {
        check_name(name.as_deref().unwrap_or_default())?;
    }
    let channel = backend.poster.find_channel(account, target).await?;
    let limits = backend.poster.server_limits(account).await?;
    if !limits.takes_files {
        return Err(ReplyError::NoFiles.into());
    }
    let upload = Upload { backend, account, channel, key, event, limit: limits.file_bytes, permit };
    let done = match name.filter(|_| !is_form) {
        Some(name) => upload.one(name, headers, body).await?,
        None => upload.form(Multipart::new(headers, body)).await?,
    };
    Ok(HttpResponse::Ok().json(done))
}

impl Upload<'_> {
    /// Uploads the body of a request.
    async fn one(
        &self,
        name: String,
        headers: &HeaderMap,
        mut body: UploadBody,
    ) -> Result<ActionDone, ApiError> {
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if let Some(bytes) = length.filter(|bytes| *bytes > self.limit) {
            return Err(ReplyError::FileTooLarge { name, bytes, limit: self.limit }.into());
        }
        let file = self.send(name, self.key.map(str::to_owned), &mut body).await?;
        Ok(ActionDone { files: file, ..ActionDone::default() })
    }

    /// Uploads the files of a form, one after another.
    async fn form(&self, mut form: Multipart) -> Result<ActionDone, ApiError> {
        let unreadable =
            |error| ApiError::bad_request(format!("the form cannot be read: {}", Excerpt::of(&error)));
        let mut files = Vec::new();
        while let Some(field) = timeout(PART_TIMEOUT, form.next()).await.map_err(|_| too_slow())? {
            let mut field = field.map_err(unreadable)?;
            if files.len() >= MAX_FILES {
                return Err(ReplyError::TooManyFiles { files: files.len() + 1, limit: MAX_FILES }.into());
            }
            let disposition = field.content_disposition();
            let Some(name) = disposition.and_then(ContentDisposition::get_filename).map(str::to_owned) else {
                let field = Excerpt::of(field.name().unwrap_or_default());
                return Err(ApiError::bad_request(format!(
                    "the part {field:?} of the form has no file name"
                )));
            };
            check_name(&name)?;
            let key = self.key.map(|key| format!("{key}#{}", files.len()));
            files.extend(self.send(name, key, &mut field).await?);
        }
        if files.is_empty() {
            return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "the form has no files"));
        }
        Ok(ActionDone { files, ..ActionDone::default() })
    }

    /// Returns a key, which is the event's own in an answer to one.
    fn checked_key(&self, key: &str) -> Result<ReplyKey, ApiError> {
        let key = self.event.map_or_else(|| ReplyKey::new(key), |event| event.own_key(key));
        key.map_err(|error| ApiError::bad_request(format!("Idempotency-Key: {error}")))
    }

    /// Stores a stream, and uploads it.
    async fn send<S, E>(
        &self,
        name: String,
        key: Option<String>,
        stream: &mut S,
    ) -> Result<Vec<String>, ApiError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        let key = key.map(|key| self.checked_key(&key)).transpose()?;
        let space = self.permit.file();
        let stored = store(stream, &self.backend.upload_dir, &name, self.limit, space).await?;
        let file = Attachment { name, bytes: FileContent::Stored(Arc::new(stored)) };
        let action = OutgoingAction::Upload { channel: self.channel.clone(), file, key };
        let posted = self.backend.poster.post(self.account, action).await?;
        Ok(posted.files.iter().map(ToString::to_string).collect())
    }
}

fn check_name(name: &str) -> Result<(), ApiError> {
    check_file_name(name).map_err(|error| ApiError::bad_request(format!("name: {error}")))
}

/// Refuses an encoded body, which would be posted as it is.
fn check_plain(headers: &HeaderMap) -> Result<(), ApiError> {
    match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(()),
        Some(_) => Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the file as it is, without Content-Encoding",
        )),
    }
}

async fn send(
    backend: &Backend,
    account: &AccountName,
    id: &str,
    method: &Method,
) -> Result<HttpResponse, ApiError> {
    if !is_full_id(id) {
        return Err(ApiError::not_found("no such file: an id has 26 letters and digits"));
    }
    let permit = backend.download_permit()?;
    let file = backend.poster.open_file(account, FileId::from(id)).await?;
    let response = respond(file, *method == Method::HEAD);
    Ok(response.map_body(|_, body| hold_until_sent(body, permit)))
}

/// Returns the response with a file, or the head of it.
fn respond(file: FileDownload, is_head: bool) -> HttpResponse {
    let FileDownload { name, content_type, len, pieces } = file;
    let kind = HeaderValue::try_from(content_type).ok().filter(|kind| !kind.is_empty());
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let mut response = HttpResponse::Ok();
    // A browser saves it and never shows it as a page of this host.
    let disposition =
        ContentDisposition { disposition: DispositionType::Attachment, parameters: name_parameters(&name) };
    response.insert_header(disposition).insert_header((CONTENT_TYPE, kind));
    let pieces = stream::unfold(pieces, |mut pieces| async { Some((pieces.recv().await?, pieces)) });
    let pieces = pieces.map(|piece| piece.map_err(|cause| std::io::Error::other(cause.to_string())));
    if is_head {
        return response.body(SizedStream::new(len, stream::empty::<Result<Bytes, std::io::Error>>()));
    }
    response.body(SizedStream::new(len, pieces))
}

/// Returns a file's name in ASCII, and in full if it has other characters. A header cannot hold a line feed.
fn name_parameters(name: &str) -> Vec<DispositionParam> {
    let name = &printable(name).replace('\n', " ");
    let ascii = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let mut parameters = vec![DispositionParam::Filename(ascii)];
    if !name.is_ascii() {
        let (charset, value) = (Charset::Ext("UTF-8".into()), name.as_bytes().to_vec());
        parameters.push(DispositionParam::FilenameExt(ExtendedValue { charset, language_tag: None, value }));
    }
    parameters
}

#[cfg(test)]
mod tests;
