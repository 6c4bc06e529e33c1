//! The REST routes.

use awc::http::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};

use super::{client::RawResponse, headers};
use crate::mattermost::{Client, Etag, Me, RateHeaders, RestError, RestErrorKind, User};
use crate::model::Token;

/// A good answer, with what the server said about its rate limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestResponse<T> {
    /// The answer.
    pub value: T,
    /// What is left of the rate limit, where the server has one.
    pub rate: Option<RateHeaders>,
}

/// What `GET /system/ping` says: the server is up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct SystemPing {
    /// `OK`, as a rule.
    #[serde(default)]
    pub status: Box<str>,
    /// The server's version, from the `X-Version-Id` header.
    #[serde(skip)]
    pub server_version: Option<Box<str>>,
}

impl Client {
    /// Asks who the token's account is. With the `etag` of an earlier answer, an unchanged account
    /// costs an empty 304 (fact 9).
    ///
    /// # Errors
    ///
    /// A 401 is [`RestErrorKind::Unauthorized`], also while the account is disabled (fact 8).
    pub async fn me(&self, token: &Token, etag: Option<&Etag>) -> Result<RestResponse<Me>, RestError> {
        const ROUTE: &str = "/users/me";
        let answer = self.get(ROUTE, Some(token), etag).await?;
        let rate = RateHeaders::read(&answer.headers);
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(RestResponse { value: Me::Unmodified, rate });
        }
        let user: User = answer.json(ROUTE)?;
        let etag = Etag::read(&answer.headers);
        Ok(RestResponse { value: Me::User { user, etag }, rate })
    }

    /// Asks whether the server is up. No token is sent.
    ///
    /// # Errors
    ///
    /// Any answer below 500 means that it is up, also an error.
    pub async fn system_ping(&self) -> Result<RestResponse<SystemPing>, RestError> {
        const ROUTE: &str = "/system/ping";
        let answer = self.get(ROUTE, None, None).await?;
        let mut value: SystemPing = answer.json(ROUTE)?;
        value.server_version = headers::text(&answer.headers, "x-version-id").map(Into::into);
        Ok(RestResponse { value, rate: RateHeaders::read(&answer.headers) })
    }
}

impl RawResponse {
    pub(in crate::mattermost) fn json<T: DeserializeOwned>(
        &self,
        route: &'static str,
    ) -> Result<T, RestError> {
        let kind = headers::text(&self.headers, "content-type").unwrap_or("application/json");
        if !kind.to_ascii_lowercase().contains("json") || self.body.trim_ascii_start().starts_with(b"<") {
            return Err(RestError::new(RestErrorKind::NotJson, route, format!("it is {kind}")));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            // The HTTP client hands out a body that was cut short as if it were whole.
            let cut = error.is_eof() && !self.is_complete();
            let kind = if cut { RestErrorKind::Unreachable } else { RestErrorKind::BadBody };
            RestError::new(kind, route, error.to_string())
        })
    }

    /// Whether the body is as long as announced; one of unannounced length ends where its JSON does.
    fn is_complete(&self) -> bool {
        let announced = headers::number(&self.headers, "content-length");
        announced.is_some_and(|length| length == self.body.len() as u64)
    }
}
