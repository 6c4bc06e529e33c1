//! The answers to slash commands, buttons and dialogs.

use serde_json::{Map, Value, json};

use super::Context;
use crate::model::{
    DIALOG_ERRORS, Draft, Excerpt, HOOK_ANSWER, IntegrationCall, OutgoingAction, ReplyError, UserId,
};

impl Context {
    /// Marks a draft as the answer to a slash command, button or dialog, if the event is one.
    pub(super) fn as_answer(&self, mut draft: Draft) -> Draft {
        if self.is_hook {
            draft.props.insert(HOOK_ANSWER.into(), json!(true));
        }
        draft
    }

    /// Shows a text to the event's [`sender`](Self::sender) only. The answer to a slash command or button needs no permission;
    /// for any other event, it is as [`post_ephemeral`](Self::post_ephemeral).
    ///
    /// # Errors
    /// As [`reply`](Self::reply); [`ReplyError::Refused`] if the event has no sender.
    pub async fn reply_privately(&self, text: impl Into<String>) -> Result<(), ReplyError> {
        let key = self.is_hook.then(|| self.next_key());
        let draft = Draft { text: text.into(), key, ..Draft::default() };
        let draft = self.with_channel(self.as_answer(draft))?;
        self.submit(OutgoingAction::Ephemeral { user: self.person()?, draft }).await.map(|_| ())
    }

    /// Replaces the text and the props of the post whose button was pressed. Without attachments in the props, it has no buttons
    /// any more.
    ///
    /// # Errors
    /// As [`edit`](Self::edit); [`ReplyError::Refused`] if the event is no button or menu.
    pub async fn replace_post(
        &self,
        text: impl Into<String>,
        props: Map<String, Value>,
    ) -> Result<(), ReplyError> {
        let pressed = self.post.clone().filter(|_| self.is_hook);
        let post = pressed.ok_or_else(|| refused("the event is no button or menu"))?;
        let edit = OutgoingAction::Edit { post, text: text.into(), props: Some(props) };
        self.submit(edit).await.map(|_| ())
    }

    /// Sends the person back to the dialog, with a text at each of these fields. A text for the field `""` is about the dialog as
    /// a whole.
    ///
    /// # Errors
    /// [`ReplyError::Refused`] if the event is no dialog, or the person does not wait any more.
    pub async fn refuse_fields<'a>(
        &self,
        errors: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), ReplyError> {
        let errors: Map<String, Value> =
            errors.into_iter().map(|(field, text)| (field.to_owned(), json!(text))).collect();
        let mut draft = self.as_answer(Draft { key: Some(self.next_key()), ..Draft::default() });
        draft.props.insert(DIALOG_ERRORS.into(), errors.into());
        self.submit(OutgoingAction::Post(self.with_channel(draft)?)).await.map(|_| ())
    }

    /// Opens a dialog for the person who ran the slash command or pressed the button, within half a minute. The members are those of
    /// Mattermost: `callback_id`, which names the handler, `title`, `state` and `elements`.
    ///
    /// # Errors
    /// As [`reply`](Self::reply); [`ReplyError::Refused`] if the event opens no dialogs.
    pub async fn open_dialog(&self, dialog: Value) -> Result<(), ReplyError> {
        let Value::Object(dialog) = dialog else {
            return Err(refused("a dialog is a JSON object"));
        };
        let trigger = self.trigger.clone().filter(|trigger| !trigger.is_empty());
        let trigger_id = trigger.ok_or_else(|| refused("only a slash command or a button opens a dialog"))?;
        let call =
            IntegrationCall::OpenDialog { trigger_id, user: self.person()?, url: Box::default(), dialog };
        let channel = self.with_channel(Draft::default())?.channel;
        self.submit(OutgoingAction::Integration { channel, call }).await.map(|_| ())
    }

    fn person(&self) -> Result<UserId, ReplyError> {
        self.sender.clone().ok_or_else(|| refused("the event has no sender"))
    }
}

fn refused(cause: &str) -> ReplyError {
    ReplyError::Refused { cause: Excerpt::of(&cause) }
}
