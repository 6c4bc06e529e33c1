//! Files attached to posts.

use std::time::Duration;

use actix_http::Method;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::client::RestRequest;
use crate::{
    mattermost::{
        Client, RateHeaders, RestError, RestErrorKind, RestResponse, transport::url::percent_encode,
    },
    model::{ChannelId, Token},
};

/// The slowest acceptable upload, in bytes a second. It extends the time limit by the size of the file.
const MIN_UPLOAD_RATE: usize = 64 * 1024;

/// The id of an uploaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileId(Box<str>);

/// A file to upload.
#[derive(Debug, Clone, Copy)]
pub struct NewFile<'a> {
    /// The channel that the post will be in.
    pub channel: &'a ChannelId,
    /// The file's name.
    pub name: &'a str,
    /// The content.
    pub bytes: &'a Bytes,
}

impl FileId {
    /// Returns the id as the server spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for FileId {
    fn from(id: &str) -> Self {
        Self(id.into())
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
        let upload_time = Duration::from_secs((file.bytes.len() / MIN_UPLOAD_RATE) as u64);
        let response = self
            .execute(RestRequest {
                method: Method::POST,
                route: ROUTE,
                path: &path,
                token: Some(token),
                etag: None,
                body: Some(("application/octet-stream", file.bytes.clone())),
                time_limit: self.limits().request_timeout + upload_time,
            })
            .await?;
        let body: Uploaded = response.json(ROUTE)?;
        let missing = || RestError::new(RestErrorKind::BadBody, ROUTE, "the response contains no file id");
        let value = body.file_infos.into_iter().next().ok_or_else(missing)?.id;
        Ok(RestResponse { value, rate: RateHeaders::read(&response.headers) })
    }
}
