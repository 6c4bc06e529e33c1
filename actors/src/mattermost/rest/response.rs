//! Responses of the REST API.

use std::fmt;

use actix_http::header::HeaderMap;
use serde::{Deserialize, de::DeserializeOwned};

use super::{client::RawResponse, headers, row_splitter::BodyState};
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
        check_json(&self.headers, route)?;
        if self.body.trim_ascii_start().starts_with(b"<") {
            return Err(RestError::new(RestErrorKind::NotJson, route, "the body is a web page"));
        }
        serde_json::from_slice(&self.body).map_err(|error| self.bad_body(error.is_eof(), &error, route))
    }

    /// Checks that a body that was read row by row had its end.
    pub(super) fn check_rows(&self, state: &BodyState, route: &'static str) -> Result<(), RestError> {
        match state {
            BodyState::Complete => Ok(()),
            BodyState::Open => Err(self.bad_body(true, &"the body ends too early", route)),
            BodyState::OtherShape => Err(RestError::new(
                RestErrorKind::BadBody,
                route,
                "the body is JSON, but not the expected list",
            )),
            BodyState::Malformed => {
                let message = "the body is neither a list nor an object, but perhaps a web page";
                Err(RestError::new(RestErrorKind::NotJson, route, message))
            }
        }
    }

    fn bad_body(&self, is_eof: bool, error: &dyn fmt::Display, route: &'static str) -> RestError {
        // The HTTP client returns a truncated body as if it were complete.
        let is_truncated = is_eof && !self.is_complete();
        let kind = if is_truncated { RestErrorKind::Unreachable } else { RestErrorKind::BadBody };
        RestError::new(kind, route, error.to_string())
    }

    /// True if the body has its announced length; false if none was announced.
    fn is_complete(&self) -> bool {
        headers::number(&self.headers, "content-length").is_some_and(|length| length == self.length)
    }
}

/// Checks that a response says that it is JSON.
pub(super) fn check_json(headers: &HeaderMap, route: &'static str) -> Result<(), RestError> {
    let kind = headers::text(headers, "content-type").unwrap_or("application/json");
    if kind.to_ascii_lowercase().contains("json") {
        return Ok(());
    }
    let shown: String = kind.chars().filter(char::is_ascii_graphic).take(SHOWN_TYPE).collect();
    Err(RestError::new(RestErrorKind::NotJson, route, format!("the content type is {shown}")))
}
