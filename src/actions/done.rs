//! The results of actions.

use matterhost_actors::model::{Found, PostedIds, ReplyError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::ActionError;

/// The status of an action that was done.
const OK: u16 = 200;
/// The status of an action that is not valid.
pub const BAD_REQUEST: u16 = 400;
/// The status of actions that are too long together, and of a result that is.
pub const TOO_LARGE: u16 = 413;
/// The status of an action that is valid and does not fit its place.
pub(super) const UNPROCESSABLE: u16 = 422;
/// The status of an action that was not taken, because one before it failed.
pub const FAILED_DEPENDENCY: u16 = 424;

/// The result of an action.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ActionDone {
    /// The ids of the created posts: one, unless the text was split; none if the action creates no post.
    pub ids: Vec<String>,
    /// The ids of the files that were uploaded and belong to no post yet.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub files: Vec<String>,
    /// The server's JSON of what was looked up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<Object>)]
    pub found: Option<Box<RawValue>>,
}

/// The result of one of several actions.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ActionResult {
    /// The status that a request with this action alone would have had; 424 if an earlier action failed and this one was
    /// not taken.
    pub status: u16,
    /// The result; empty if the action failed.
    #[serde(flatten)]
    pub done: ActionDone,
    /// The reason, if the action was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl ActionDone {
    /// Returns the result of an action that posts or changes something.
    pub(super) fn posted(posted: &PostedIds) -> Self {
        let ids = posted.ids.iter().map(ToString::to_string).collect();
        let files = posted.files.iter().map(ToString::to_string).collect();
        Self { ids, files, found: None }
    }

    /// Returns the result of a look-up.
    pub(super) fn found(found: &Found) -> Self {
        Self { found: Some(found.json().to_owned()), ..Self::default() }
    }
}

impl ActionResult {
    /// Returns the result of an action that was taken, or failed.
    pub fn of(result: Result<ActionDone, ReplyError>) -> Self {
        match result {
            Ok(done) => Self { status: OK, done, detail: None },
            Err(error) => Self::failed(status(&error), error.to_string()),
        }
    }

    /// Returns the result of an action that cannot be taken as it is.
    pub fn refused(error: &ActionError) -> Self {
        Self::failed(error.status(), error.to_string())
    }

    /// Returns the result of an action that was not done.
    pub fn failed(status: u16, detail: String) -> Self {
        Self { status, done: ActionDone::default(), detail: Some(detail) }
    }

    /// Returns the result of an action that follows one that failed.
    pub fn not_taken() -> Self {
        Self::failed(FAILED_DEPENDENCY, "not taken, because an earlier action failed".into())
    }

    /// True if the action was done.
    pub fn is_done(&self) -> bool {
        self.status == OK
    }
}

/// Returns the HTTP status for an action that failed.
pub fn status(error: &ReplyError) -> u16 {
    match error {
        ReplyError::UnknownAccount(_) | ReplyError::NotFound { .. } => 404,
        ReplyError::TooManyPosts => BAD_REQUEST,
        ReplyError::QueueFull { .. } => 429,
        ReplyError::Empty
        | ReplyError::NoChannel
        | ReplyError::TooLong { .. }
        | ReplyError::TooManyFiles { .. }
        | ReplyError::NoFiles
        | ReplyError::EmptyFile { .. }
        | ReplyError::FileName(_) => UNPROCESSABLE,
        ReplyError::FileTooLarge { .. } => TOO_LARGE,
        // The request is valid, but the account's state or the server does not allow it.
        ReplyError::Stopped(_)
        | ReplyError::LoopGuard { .. }
        | ReplyError::FileChanged { .. }
        | ReplyError::Refused { .. } => 409,
        ReplyError::TimedOut { .. } => 504,
        ReplyError::Interrupted(_) => 502,
    }
}
