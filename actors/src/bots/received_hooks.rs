//! Slash commands, buttons and dialogs, as handlers receive them.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::event::{non_empty_id, null_as_default};
use crate::model::{PostId, UserId};

/// A slash command that a person ran.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SlashCommand {
    /// The person.
    pub user_id: UserId,
    /// The command, with its slash.
    pub command: String,
    /// The text behind it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub text: String,
    /// The first post of the thread that it was run in.
    #[serde(default, deserialize_with = "non_empty_id")]
    pub root_id: Option<PostId>,
    /// The trigger, which opens a dialog for half a minute.
    #[serde(default)]
    pub(super) trigger_id: Trigger,
}

/// A button that a person pressed, or an option that was chosen from a menu.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ButtonPress {
    /// The person.
    pub user_id: UserId,
    /// The id of the button or menu.
    pub id: String,
    /// The context that the post gave it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub context: Map<String, Value>,
    /// The post with the button.
    pub post_id: PostId,
    /// The value of the option, if it is a menu.
    #[serde(default)]
    pub selected_option: Option<String>,
    /// The trigger, as of a [`SlashCommand`].
    #[serde(default)]
    pub(super) trigger_id: Trigger,
}

/// A dialog that a person sent or cancelled.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DialogSubmission {
    /// The person.
    pub user_id: UserId,
    /// The `callback_id` that the dialog was opened with.
    #[serde(default, deserialize_with = "null_as_default")]
    pub callback_id: String,
    /// The `state` that the dialog was opened with.
    #[serde(default, deserialize_with = "null_as_default")]
    pub state: String,
    /// The values by field.
    #[serde(default, deserialize_with = "null_as_default")]
    pub submission: Map<String, Value>,
    /// True if the person cancelled it.
    #[serde(default)]
    pub cancelled: bool,
}

/// The trigger of a dialog. It is not shown, because it is all that opening one takes.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
pub(super) struct Trigger(pub(super) Box<str>);

impl fmt::Debug for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trigger")
    }
}

impl SlashCommand {
    /// Returns the command without its slash.
    pub fn trigger(&self) -> &str {
        self.command.strip_prefix('/').unwrap_or(&self.command)
    }
}

impl ButtonPress {
    /// Returns a text of the context; empty if there is none.
    pub fn text(&self, member: &str) -> &str {
        self.context.get(member).and_then(Value::as_str).unwrap_or_default()
    }
}

impl DialogSubmission {
    /// Returns the text of a field; empty if it was left empty or is no text.
    pub fn text(&self, field: &str) -> &str {
        self.submission.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}
