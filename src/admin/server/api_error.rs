//! What is answered when something cannot be done: problem details (RFC 9457).

use std::{fmt, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use matterhost_actors::{hosting::SupervisorError, model::ReplyError};

use crate::admin::dto::{ConfigProblem, PROBLEM_TYPE, Problem};

/// The longest explanation, in characters: it may quote what somebody sent, who is to see where it is wrong, not all of it.
const LONGEST_DETAIL: usize = 600;

/// When to ask again whose account has too much to do: a post takes a moment.
const FULL_FOR: Duration = Duration::from_secs(1);

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    detail: String,
    retry_after: Option<Duration>,
    allow: Option<&'static str>,
    problems: Vec<ConfigProblem>,
}

impl ApiError {
    /// As the answer of a handler that never has another.
    pub(super) fn into_result(self) -> Result<HttpResponse, Self> {
        Err(self)
    }

    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: shortened(detail.into()),
            retry_after: None,
            allow: None,
            problems: Vec::new(),
        }
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

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// There is such a path, but not for this method.
    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("this path takes {allow}"));
        Self { allow: Some(allow), ..refusal }
    }

    pub(super) fn misdirected(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, detail)
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// What is asked for cannot be had just now.
    pub(super) fn busy(detail: impl Into<String>, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Self::unavailable(detail) }
    }

    pub(super) fn too_many_requests(detail: impl Into<String>, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    /// A configuration is wrong.
    pub(super) fn invalid_configuration(detail: impl Into<String>, problems: Vec<ConfigProblem>) -> Self {
        Self { problems, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail) }
    }
}

fn shortened(mut detail: String) -> String {
    if let Some((end, _)) = detail.char_indices().nth(LONGEST_DETAIL) {
        detail.truncate(end);
        detail.push('…');
    }
    detail
}

/// Refuses words that nobody could mean: they would match nothing, and say so to nobody.
pub(super) fn check_known(what: &str, words: &[String], there_are: &[&str]) -> Result<(), ApiError> {
    match words.iter().find(|word| !there_are.contains(&word.as_str())) {
        None => Ok(()),
        Some(word) => Err(ApiError::bad_request(format!(
            "there is no {what} {word:?}; there are {}",
            there_are.join(", ")
        ))),
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
        let status = match error {
            ReplyError::UnknownAccount(_) => StatusCode::NOT_FOUND,
            ReplyError::QueueFull { .. } => return Self::too_many_requests(error.to_string(), FULL_FOR),
            ReplyError::Empty
            | ReplyError::NoChannel
            | ReplyError::TooLong { .. }
            | ReplyError::TooManyFiles { .. }
            | ReplyError::FileTooLarge { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            // The request is well made; how things are stands against it.
            ReplyError::Stopped(_) | ReplyError::LoopGuard { .. } | ReplyError::Refused { .. } => {
                StatusCode::CONFLICT
            }
            ReplyError::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
            ReplyError::Interrupted(_) => StatusCode::BAD_GATEWAY,
        };
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
            // Whole seconds, and not too early.
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
        // Texts and numbers cannot fail to be written.
        response.body(serde_json::to_string(&problem).unwrap_or_default())
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}
