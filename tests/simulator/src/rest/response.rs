//! Answers: JSON, errors, and the plain text of the rate limit.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use crate::ServerVersion;
use crate::hooks::Call;
use crate::wire::json::to_text;
use crate::wire::reply::AppError;

/// A post that is committed, and answered, only after a while (fact 23).
#[derive(Debug)]
pub(crate) struct DeferredCommit {
    pub(crate) post_id: String,
    pub(crate) mentions: Vec<String>,
    pub(crate) after: std::time::Duration,
}

/// The answer of a route.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    /// The body if it is a file.
    pub(crate) file: Option<Bytes>,
    pub(crate) commit: Option<DeferredCommit>,
    /// A request to make before it is answered: then the rest does not count.
    pub(crate) call: Option<Call>,
    /// A request to make for which nobody waits.
    pub(crate) after: Option<Call>,
}

impl ApiResponse {
    pub(crate) fn new(status: StatusCode, content_type: &'static str, body: String) -> Self {
        let headers = Vec::new();
        Self { status, content_type, headers, body, file: None, commit: None, call: None, after: None }
    }

    /// 200 with JSON.
    pub(crate) fn json<T: Serialize>(value: &T) -> Self {
        Self::new(StatusCode::OK, "application/json", to_text(value))
    }

    /// 200 with a file.
    pub(crate) fn file(content_type: &'static str, content: Bytes) -> Self {
        Self { file: Some(content), ..Self::new(StatusCode::OK, content_type, String::new()) }
    }

    /// 201 with JSON.
    pub(crate) fn created<T: Serialize>(value: &T) -> Self {
        Self { status: StatusCode::CREATED, ..Self::json(value) }
    }

    /// The answer that a call makes.
    pub(crate) fn calling(call: Call) -> Self {
        Self { call: Some(call), ..Self::ok() }
    }

    /// `{"status":"OK"}`.
    pub(crate) fn ok() -> Self {
        Self::json(&json!({ "status": "OK" }))
    }

    /// The server's error object.
    pub(crate) fn error(error: &AppError) -> Self {
        let status = StatusCode::from_u16(error.status_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, "application/json", to_text(error))
    }

    pub(crate) fn header(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// With an entity tag: an empty 304 when the client has it already (fact 9).
    pub(crate) fn tagged(mut self, etag: &str, if_none_match: Option<&str>) -> Self {
        if if_none_match.is_some_and(|tag| tag.trim_matches('"') == etag) {
            self.status = StatusCode::NOT_MODIFIED;
            self.body.clear();
        }
        self.header("Etag", &etag)
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.file.unwrap_or_else(|| Bytes::from(self.body))));
        *response.status_mut() = self.status;
        if self.status != StatusCode::NOT_MODIFIED {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// The token is bad, the account is disabled, or there is no token (fact 8).
pub(crate) fn unauthorized() -> AppError {
    let text = "Invalid or expired session, please login again.";
    AppError::new("api.context.session_expired.app_error", text, 401)
}

/// Not a member, not an admin, or there is no such thing: the same answer (errors).
pub(crate) fn forbidden() -> AppError {
    let text = "You do not have the appropriate permissions.";
    AppError::new("api.context.permissions.app_error", text, 403)
}

/// A part of the URL is not an id.
pub(crate) fn invalid_param(name: &str) -> AppError {
    let text = format!("Invalid or missing {name} parameter in request URL.");
    AppError::new("api.context.invalid_url_param.app_error", &text, 400)
}

/// The body lacks something.
pub(crate) fn invalid_body(name: &str) -> AppError {
    let text = format!("Invalid or missing {name} in request body.");
    AppError::new("api.context.invalid_body_param.app_error", &text, 400)
}

/// There is no such route: JSON, which 5.37 calls plain text (facts 26 and 32).
pub(crate) fn route_not_found(version: ServerVersion, path: &str) -> ApiResponse {
    let mut error = AppError::new("api.context.404.app_error", "Sorry, we could not find the page.", 404);
    error.detailed_error = format!(
        "There doesn't appear to be an api call for the url='{path}'.  \
         Typo? are you missing a team_id or user_id as part of the url?"
    );
    let answer = ApiResponse::error(&error);
    if version.is_current() {
        answer
    } else {
        ApiResponse { content_type: "text/plain; charset=utf-8", ..answer }
    }
}
