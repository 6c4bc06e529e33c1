//! The line that tells a child the result of an action.

use serde::Serialize;

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
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Box<str>>,
    #[serde(flatten)]
    result: ActionResult,
}

impl ActionResultLine {
    pub(super) fn new(id: Box<str>, to: Option<Box<str>>, result: ActionResult) -> Self {
        Self { result: NamedResult { id, to, result } }
    }

    /// Returns the line with its end.
    pub(super) fn to_line(&self) -> String {
        // Strings and JSON always serialize.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}
