//! Responses of the REST API.

use serde::{Deserialize, de::DeserializeOwned};

use super::{client::RawResponse, headers};
use crate::mattermost::{Client, RateHeaders, RestError, RestErrorKind};

/// A successful response, with the state of the server's rate limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestResponse<T> {
    /// The parsed body.
    pub value: T,
    /// The state of the rate limit, if the server has one.
    pub rate: Option<RateHeaders>,
}

/// The response to `GET /system/ping`: the server is up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct SystemPing {
    /// Usually `OK`.
    #[serde(default)]
    pub status: Box<str>,
    /// The server's version, from the `X-Version-Id` header.
    #[serde(skip)]
    pub server_version: Option<Box<str>>,
}

impl Client {
    /// Checks that the server is up, without a token.
    ///
    /// # Errors
    ///
    /// Fails as any request does. An error with a status below 500 still means that the server is up.
    pub async fn system_ping(&self) -> Result<RestResponse<SystemPing>, RestError> {
        const ROUTE: &str = "/system/ping";
        let response = self.get(ROUTE, None, None).await?;
        let mut value: SystemPing = response.json(ROUTE)?;
        value.server_version = headers::text(&response.headers, "x-version-id").map(Into::into);
        Ok(RestResponse { value, rate: RateHeaders::read(&response.headers) })
    }
}

/// The longest part of a content type that is shown: common ones have 31 characters.
const SHOWN_TYPE: usize = 60;

impl RawResponse {
    pub(super) fn json<T: DeserializeOwned>(&self, route: &'static str) -> Result<T, RestError> {
        let kind = headers::text(&self.headers, "content-type").unwrap_or("application/json");
        if !kind.to_ascii_lowercase().contains("json") || self.body.trim_ascii_start().starts_with(b"<") {
            let shown: String = kind.chars().filter(char::is_ascii_graphic).take(SHOWN_TYPE).collect();
            return Err(RestError::new(
                RestErrorKind::NotJson,
                route,
                format!("the content type is {shown}"),
            ));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            // The HTTP client returns a truncated body as if it were complete.
            let truncated = error.is_eof() && !self.is_complete();
            let kind = if truncated { RestErrorKind::Unreachable } else { RestErrorKind::BadBody };
            RestError::new(kind, route, error.to_string())
        })
    }

    /// True if the body has its announced length; false if none was announced.
    fn is_complete(&self) -> bool {
        let announced = headers::number(&self.headers, "content-length");
        announced.is_some_and(|length| length == self.body.len() as u64)
    }
}
