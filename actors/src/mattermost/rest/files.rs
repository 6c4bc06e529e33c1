//! Files that go with posts.

use std::time::Duration;

use actix_http::Method;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::client::RestRequest;
use crate::mattermost::{
    Client, RateHeaders, RestError, RestErrorKind, RestResponse, transport::url::percent_encode,
};
use crate::model::{ChannelId, Token};

/// The slowest line that a file is sent over, in bytes a second: what takes longer is given up.
const SLOWEST: usize = 64 * 1024;

/// A file as a post names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileId(Box<str>);

/// A file that is to be taken to the server.
#[derive(Debug, Clone, Copy)]
pub struct NewFile<'a> {
    /// The channel that its post will be in.
    pub channel: &'a ChannelId,
    /// Its name.
    pub name: &'a str,
    /// What is in it.
    pub bytes: &'a Bytes,
}

impl FileId {
    /// The id as the server spells it.
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
    /// Takes a file to the server, in the simple form: the body is the file. It belongs to nothing until a post names
    /// it.
    ///
    /// # Errors
    ///
    /// One that is too large is [`RestErrorKind::Refused`] with 413, or broken off amid.
    pub async fn upload_file(
        &self,
        token: &Token,
        file: NewFile<'_>,
    ) -> Result<RestResponse<FileId>, RestError> {
        const ROUTE: &str = "/files";
        #[derive(Deserialize)]
        struct Answered {
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
        let sending = Duration::from_secs((file.bytes.len() / SLOWEST) as u64);
        let answer = self
            .ask(RestRequest {
                method: Method::POST,
                route: ROUTE,
                path: &path,
                token: Some(token),
                etag: None,
                body: Some(("application/octet-stream", file.bytes.clone())),
                within: self.limits().request_timeout + sending,
            })
            .await?;
        let body: Answered = answer.json(ROUTE)?;
        let missing = || RestError::new(RestErrorKind::BadBody, ROUTE, "it names no file");
        let value = body.file_infos.into_iter().next().ok_or_else(missing)?.id;
        Ok(RestResponse { value, rate: RateHeaders::read(&answer.headers) })
    }

    /// How large a file may be, in bytes.
    ///
    /// # Errors
    ///
    /// When the server cannot be asked, or does not say.
    pub async fn max_file_size(&self, token: &Token) -> Result<RestResponse<u64>, RestError> {
        const ROUTE: &str = "/config/client";
        #[derive(Deserialize)]
        struct Settings {
            /// All settings are texts.
            #[serde(rename = "MaxFileSize")]
            max_file_size: String,
        }
        let answer = self.get_path(ROUTE, "/config/client?format=old", Some(token), None).await?;
        let settings: Settings = answer.json(ROUTE)?;
        let value = settings.max_file_size.parse();
        let value =
            value.map_err(|_| RestError::new(RestErrorKind::BadBody, ROUTE, "MaxFileSize is no number"))?;
        Ok(RestResponse { value, rate: RateHeaders::read(&answer.headers) })
    }
}
