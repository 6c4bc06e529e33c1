//! The reasons why an answer cannot be used.

use matterhost_actors::model::Excerpt;

use crate::actions::{ActionError, BAD_REQUEST, MAX_ACTIONS, TOO_LARGE};

/// The reason why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyParseError {
    /// The answer is longer than this many bytes.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// The connection ended before the answer was complete.
    #[error("the answer is incomplete")]
    Truncated,
    /// The answer is compressed in a way that was not asked for.
    #[error("{0}")]
    Encoded(String),
    /// The answer is in another charset.
    #[error("the answer is not in UTF-8")]
    NotUtf8,
    /// The answer is not JSON or does not have the expected members.
    #[error("the answer is not a JSON object with \"text\" or \"action\": {0}")]
    Malformed(Excerpt),
    /// The answer names a channel other than the event's.
    #[error("the answer names another channel; a reply goes to the channel of its event")]
    WrongChannel,
    /// The answer does not say which of several events it is for, or names an event that is not waiting for one.
    #[error("the answer must give the id of its event in \"to\"")]
    UnknownEvent,
    /// The action cannot be taken.
    #[error("the action cannot be taken: {cause}")]
    Action {
        /// The status that it would have by the API.
        status: u16,
        /// The reason.
        cause: Excerpt,
    },
    /// The answer has too many actions.
    #[error("the answer has {0} actions; send at most {MAX_ACTIONS}")]
    TooManyActions(usize),
    /// The answer cannot be used, and has actions whose results the handler wants to know.
    #[error("{error}")]
    Refused {
        /// The reason.
        error: Box<Self>,
        /// These actions.
        actions: Vec<RefusedAction>,
    },
    /// The event has as many replies as it may have.
    #[error("{}", ActionError::TooManyPosts)]
    TooMany,
}

impl ReplyParseError {
    /// Returns the status of an action that is refused for this reason, as the API would answer.
    pub(in crate::sinks) fn status(&self) -> u16 {
        match self {
            Self::Action { status, .. } => *status,
            Self::TooMany => ActionError::TooManyPosts.status(),
            Self::Refused { error, .. } => error.status(),
            Self::TooLarge(_) => TOO_LARGE,
            Self::Truncated
            | Self::Encoded(_)
            | Self::NotUtf8
            | Self::Malformed(_)
            | Self::WrongChannel
            | Self::UnknownEvent
            | Self::TooManyActions(_) => BAD_REQUEST,
        }
    }

    /// Returns the reason with the event.
    pub(in crate::sinks) fn describe(&self, event_id: &str) -> String {
        format!("{self} (event {event_id})")
    }
}

impl From<ActionError> for ReplyParseError {
    fn from(error: ActionError) -> Self {
        Self::Action { status: error.status(), cause: Excerpt::of(&error) }
    }
}

/// An action with a name, in an answer of which no action is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedAction {
    /// The index of the event that it answers; 0 if it names none.
    pub(in crate::sinks) event: usize,
    pub(in crate::sinks) name: Box<str>,
    pub(in crate::sinks) status: u16,
    pub(in crate::sinks) detail: String,
}
