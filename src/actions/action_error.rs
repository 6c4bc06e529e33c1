//! The reasons why actions are refused before they are taken.

use matterhost_actors::model::{Excerpt, ReplyError, ReplyKeyError, TargetError, UserRefError};

use super::{BAD_REQUEST, FileError, done::UNPROCESSABLE};

/// The reason why an action cannot be taken as it is.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// Its target is none.
    #[error("target: {0}")]
    Target(#[from] TargetError),
    /// Its user is none.
    #[error("user: {0}")]
    User(#[from] UserRefError),
    /// Its key cannot be used.
    #[error("key: {0}")]
    Key(#[from] ReplyKeyError),
    /// Its key has characters that a header cannot have.
    #[error("key must be 1 to 256 visible ASCII characters")]
    KeyNotAscii,
    /// A member has the wrong form.
    #[error("{member} must be {form}")]
    Member {
        /// The member.
        member: &'static str,
        /// The form that it must have.
        form: &'static str,
    },
    /// A member was left out, and no event provides it.
    #[error("missing field `{0}`: no event is answered that could provide it")]
    Missing(&'static str),
    /// One of two members is required.
    #[error("missing field `{0}` or `{1}`")]
    MissingEither(&'static str, &'static str),
    /// Two members exclude each other.
    #[error("`{0}` and `{1}` exclude each other; leave one of them out")]
    Both(&'static str, &'static str),
    /// It has errors for a dialog, and answers none.
    #[error("errors: the event is no dialog")]
    NoDialog,
    /// A file cannot be opened.
    #[error("file: {0}")]
    File(#[from] FileError),
    /// A file was named by its path, and there is no directory.
    #[error(
        "file: {0:?} is not the id of an uploaded file, and only a child process whose sink has a `dir` names files by their path; send the file to POST /v1/accounts/NAME/files, or to /v1/replies/files with a reply token, and name its id"
    )]
    NotUploaded(Excerpt),
    /// A file is to be saved, and there is no directory.
    #[error(
        "path: only a child process whose sink has a `dir` has a directory of its own; leave it out, and download the file by GET /v1/accounts/NAME/files/ID, or /v1/replies/files/ID with a reply token"
    )]
    NoDirectory,
    /// The event has as many posts as it may have.
    #[error("{}", ReplyError::TooManyPosts)]
    TooManyPosts,
    /// The event that is answered lacks something that the action needs.
    #[error("the event has no {0}; name one")]
    EventLacks(&'static str),
}

impl ActionError {
    /// Returns the HTTP status for the action. One that is valid and in the wrong place is no bad request.
    pub fn status(&self) -> u16 {
        if self.is_misplaced() { UNPROCESSABLE } else { BAD_REQUEST }
    }

    /// True if the action's own form is right, and only its place does not fit.
    fn is_misplaced(&self) -> bool {
        matches!(
            self,
            Self::Missing(_)
                | Self::MissingEither(..)
                | Self::Both(..)
                | Self::EventLacks(_)
                | Self::NotUploaded(_)
                | Self::NoDirectory
                | Self::NoDialog
        )
    }
}
