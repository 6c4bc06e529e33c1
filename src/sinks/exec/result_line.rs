//! The line that tells a child the result of an action.

use serde::{Deserialize, Serialize};

use crate::actions::ActionResult;

/// The line that tells a child the result of an action to which it gave a name.
#[derive(Debug, Serialize)]
pub(super) struct ActionResultLine {
    result: NamedResult,
}

#[derive(Debug, Serialize)]
struct NamedResult {
    /// The name that the child gave the action.
    id: Box<str>,
    /// The event that the action answers.
    #[serde(flatten)]
    event: AnsweredEventRef,
    #[serde(flatten)]
    result: ActionResult,
}

/// The event that an action answers, as far as the child has named it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct AnsweredEventRef {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<Box<str>>,
    /// The source of the event: two accounts may receive the same post, which then has the same id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<Box<str>>,
}

impl ActionResultLine {
    pub(super) fn new(id: Box<str>, event: AnsweredEventRef, result: ActionResult) -> Self {
        Self { result: NamedResult { id, event, result } }
    }

    /// Returns the line with its end.
    pub(super) fn to_line(&self) -> String {
        // Strings and JSON always serialize.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}
