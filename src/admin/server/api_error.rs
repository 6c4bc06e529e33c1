//! Errors as HTTP responses with problem details (RFC 9457).

use std::{fmt, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use matterhost_actors::{hosting::SupervisorError, model::ReplyError};

use crate::{
    actions::status,
    admin::dto::{ConfigProblem, MemberAnswer, PROBLEM_TYPE, Problem},
    config::AccountRefused,
};

/// The longest detail, in characters: it may quote the request, of which the caller only needs the wrong part.
const MAX_DETAIL_CHARS: usize = 600;

/// The `Retry-After` for an account whose queue is full: a post takes a moment.
const QUEUE_FULL_RETRY: Duration = Duration::from_secs(1);

/// The reason why a request failed, with the status and headers of its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(super) status: StatusCode,
    detail: String,
    retry_after: Option<Duration>,
    allow: Option<&'static str>,
    problems: Vec<ConfigProblem>,
}

impl ApiError {
    /// Wraps the error as the result of a handler that always fails.
    pub(crate) fn into_result(self) -> Result<HttpResponse, Self> {
        Err(self)
    }

    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: truncate(detail.into()), retry_after: None, allow: None, problems: Vec::new() }
    }

    /// Returns the answer to another member that has asked.
    pub(super) fn to_member(&self) -> MemberAnswer {
        MemberAnswer::Refused { status: self.status.as_u16(), detail: self.detail.clone() }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// The path exists, but not for this method.
    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("this path allows {allow}"));
        Self { allow: Some(allow), ..error }
    }

    pub(super) fn misdirected(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, detail)
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// The host is too busy for this request at the moment.
    pub(super) fn busy(detail: impl Into<String>, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Self::unavailable(detail) }
    }

    pub(super) fn too_many_requests(detail: impl Into<String>, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    /// The configuration is not valid.
    pub(super) fn invalid_configuration(detail: impl Into<String>, problems: Vec<ConfigProblem>) -> Self {
        Self { problems, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail) }
    }
}

fn truncate(mut detail: String) -> String {
    if let Some((end, _)) = detail.char_indices().nth(MAX_DETAIL_CHARS) {
        detail.truncate(end);
        detail.push('…');
    }
    detail
}

/// Refuses unknown words in a filter, which would silently match nothing.
pub(super) fn check_known(kind: &str, words: &[String], known: &[&str]) -> Result<(), ApiError> {
    match words.iter().find(|word| !known.contains(&word.as_str())) {
        None => Ok(()),
        Some(word) => {
            Err(ApiError::bad_request(format!("unknown {kind} {word:?}; use some of {}", known.join(", "))))
        }
    }
}

impl From<AccountRefused> for ApiError {
    fn from(refused: AccountRefused) -> Self {
        match refused {
            AccountRefused::Unknown(detail) => Self::not_found(detail),
            AccountRefused::Conflict(detail) => Self::conflict(detail),
            AccountRefused::Unavailable(detail) => Self::unavailable(detail),
            AccountRefused::Invalid(problems) => {
                let problems = problems.into_iter().map(Into::into).collect();
                Self::invalid_configuration("the account cannot be used; nothing was changed", problems)
            }
        }
    }
}

impl From<SupervisorError> for ApiError {
    fn from(error: SupervisorError) -> Self {
        let status = match error {
            SupervisorError::UnknownAccount(_) => StatusCode::NOT_FOUND,
            SupervisorError::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}

impl From<ReplyError> for ApiError {
    fn from(error: ReplyError) -> Self {
        if let ReplyError::QueueFull { .. } = error {
            return Self::too_many_requests(error.to_string(), QUEUE_FULL_RETRY);
        }
        // Only valid statuses are returned.
        let status = StatusCode::from_u16(status(&error)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, error.to_string())
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.content_type(PROBLEM_TYPE);
        if let Some(wait) = self.retry_after {
            // Rounded up to whole seconds.
            response.insert_header((RETRY_AFTER, wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
        }
        if let Some(allow) = self.allow {
            response.insert_header((ALLOW, allow));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"matterhost\""));
        }
        let problem = Problem {
            r#type: "about:blank".into(),
            title: self.status.canonical_reason().unwrap_or("Error").into(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            problems: self.problems.clone(),
        };
        // Strings and numbers always serialize.
        response.body(serde_json::to_string(&problem).unwrap_or_default())
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}
