use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::model::{DIALOG_ERRORS, HOOK_ANSWER, IntegrationCall, OutgoingAction};

/// An answer to a slash command, button, menu or dialog, as the person sees it.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A text that everyone in the channel sees.
    InChannel(String),
    /// A text that only the person sees.
    Private(String),
    /// The new text and props of the post with the button.
    Update {
        /// The text.
        text: String,
        /// The props.
        props: Map<String, Value>,
    },
    /// The texts at the fields of the dialog, which stays open; at `""`, that of the dialog as a whole.
    FieldErrors(BTreeMap<String, String>),
    /// A dialog that opens.
    Dialog(Map<String, Value>),
}

impl Answer {
    /// Returns the answer that an action is, if it is one.
    pub(super) fn of(action: OutgoingAction) -> Option<Self> {
        match action {
            OutgoingAction::Post(mut draft) => match draft.props.remove(DIALOG_ERRORS) {
                Some(errors) => Some(Self::FieldErrors(serde_json::from_value(errors).unwrap_or_default())),
                None => draft.props.contains_key(HOOK_ANSWER).then_some(Self::InChannel(draft.text)),
            },
            OutgoingAction::Ephemeral { draft, .. } => {
                draft.props.contains_key(HOOK_ANSWER).then_some(Self::Private(draft.text))
            }
            OutgoingAction::Edit { text, props: Some(props), .. } => Some(Self::Update { text, props }),
            OutgoingAction::Integration { call: IntegrationCall::OpenDialog { dialog, .. }, .. } => {
                Some(Self::Dialog(dialog))
            }
            OutgoingAction::Edit { .. }
            | OutgoingAction::Update { .. }
            | OutgoingAction::React { .. }
            | OutgoingAction::Unreact { .. }
            | OutgoingAction::Delete { .. }
            | OutgoingAction::Upload { .. }
            | OutgoingAction::Typing { .. }
            | OutgoingAction::Integration { .. } => None,
        }
    }
}
