//! The answers to requests of the server, in the form of each kind of request.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookKind {
    /// A slash command.
    SlashCommand,
    /// A button.
    Button,
    /// A menu.
    Menu,
    /// A dialog that was sent or cancelled.
    Dialog,
}

impl HookKind {
    /// Returns the name of its event.
    pub fn event_name(self) -> &'static str {
        match self {
            Self::SlashCommand => "slash_command",
            Self::Button => "button",
            Self::Menu => "menu",
            Self::Dialog => "dialog",
        }
    }
}

/// The answer that is collected while the person waits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HookAnswer {
    /// The text that the person, or with `in_channel` everyone, sees.
    pub text: Option<AnswerText>,
    /// The new text and props of the post with the button.
    pub update: Option<PostUpdate>,
    /// The errors that send the person back to the dialog.
    pub errors: Option<FieldErrors>,
}

/// A text that answers a command or button.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AnswerText {
    /// The text.
    pub text: String,
    /// True if everyone in the channel sees it.
    pub in_channel: bool,
    /// The props of the post.
    pub props: Map<String, Value>,
}

/// The new text and props of a post.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PostUpdate {
    /// The text.
    pub message: String,
    /// The props, which replace the old ones.
    pub props: Map<String, Value>,
}

/// Errors in the fields of a dialog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors {
    /// The error of the dialog as a whole.
    pub error: Option<String>,
    /// The errors by field.
    pub errors: BTreeMap<String, String>,
}

impl HookAnswer {
    /// Returns an answer that only the person sees.
    pub fn words(text: &str) -> Self {
        Self { text: Some(AnswerText { text: text.to_owned(), ..AnswerText::default() }), ..Self::default() }
    }

    /// True if an answer of that kind can hold what it would show, so that it need not be posted.
    pub fn holds_text(kind: HookKind, in_channel: bool) -> bool {
        match kind {
            HookKind::SlashCommand => true,
            HookKind::Button | HookKind::Menu => !in_channel,
            HookKind::Dialog => false,
        }
    }

    /// Returns true if the person goes back to the dialog.
    pub fn sends_back(&self) -> bool {
        self.errors.is_some()
    }

    /// Returns the JSON for the server.
    pub fn into_json(self, kind: HookKind) -> Value {
        match kind {
            HookKind::SlashCommand => self.into_command_json(),
            HookKind::Button | HookKind::Menu => self.into_action_json(),
            HookKind::Dialog => self.into_dialog_json(),
        }
    }

    /// Returns the JSON of an answer to a command, also of one by its response URL.
    fn into_command_json(self) -> Value {
        let Some(AnswerText { text, in_channel, props }) = self.text else { return json!({}) };
        let response_type = if in_channel { "in_channel" } else { "ephemeral" };
        let mut answer = json!({ "text": text, "response_type": response_type });
        if !props.is_empty() {
            answer["props"] = props.into();
        }
        answer
    }

    fn into_action_json(self) -> Value {
        let mut answer = json!({});
        if let Some(PostUpdate { message, props }) = self.update {
            answer["update"] = json!({ "message": message, "props": props });
        }
        if let Some(AnswerText { text, .. }) = self.text {
            answer["ephemeral_text"] = text.into();
        }
        answer
    }

    /// Returns the JSON for a dialog. It shows no text; one is shown as the dialog's error, so that it is not lost.
    fn into_dialog_json(self) -> Value {
        match (self.errors, self.text) {
            (Some(FieldErrors { error, errors }), _) => {
                let mut answer = json!({ "errors": errors });
                if let Some(error) = error {
                    answer["error"] = error.into();
                }
                answer
            }
            (None, Some(AnswerText { text, .. })) => json!({ "error": text }),
            (None, None) => json!({}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(in_channel: bool) -> HookAnswer {
        let text = AnswerText { text: "hi".into(), in_channel, ..AnswerText::default() };
        HookAnswer { text: Some(text), ..HookAnswer::default() }
    }

    /// The answers of the recordings.
    #[test]
    fn answers_are_those_that_the_server_understands() {
        use HookKind::{Button, Dialog, Menu, SlashCommand};
        let mut with_props = text(false);
        with_props.text.as_mut().unwrap().props.insert("x".into(), "y".into());
        let update = PostUpdate { message: "done".into(), props: Map::new() };
        let updated = HookAnswer { update: Some(update), ..text(false) };
        let errors = FieldErrors { error: None, errors: [("name".into(), "too short".into())].into() };
        let errors = HookAnswer { errors: Some(errors), ..HookAnswer::default() };
        for (answer, kind, expected) in [
            (text(true), SlashCommand, json!({ "text": "hi", "response_type": "in_channel" })),
            (text(false), SlashCommand, json!({ "text": "hi", "response_type": "ephemeral" })),
            (
                with_props,
                SlashCommand,
                json!({ "text": "hi", "response_type": "ephemeral", "props": { "x": "y" } }),
            ),
            (HookAnswer::default(), SlashCommand, json!({})),
            (HookAnswer::default(), Button, json!({})),
            (HookAnswer::default(), Dialog, json!({})),
            (updated, Menu, json!({ "update": { "message": "done", "props": {} }, "ephemeral_text": "hi" })),
            (errors, Dialog, json!({ "errors": { "name": "too short" } })),
            (HookAnswer::words("no"), Dialog, json!({ "error": "no" })),
            (HookAnswer::words("no"), Button, json!({ "ephemeral_text": "no" })),
        ] {
            assert_eq!(answer.into_json(kind), expected, "{kind:?}");
        }
    }

    #[test]
    fn the_whole_channel_sees_only_answers_to_commands() {
        assert!(HookAnswer::holds_text(HookKind::SlashCommand, true));
        assert!(
            HookAnswer::holds_text(HookKind::Button, false) && !HookAnswer::holds_text(HookKind::Menu, true)
        );
        assert!(!HookAnswer::holds_text(HookKind::Dialog, false));
    }
}
