//! Builders of slash commands, buttons, menus and dialogs.

use serde_json::{Map, Value, json};

use super::{Content, EventBuilder};

/// The trigger of the harness's slash commands and buttons.
const TRIGGER: &str = "harness-trigger";

/// Returns a builder of a slash command, such as `/deploy staging`.
pub fn slash_command(text: &str) -> EventBuilder {
    let (command, text) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    hook(
        "slash_command",
        [("command", json!(command)), ("text", json!(text)), ("trigger_id", json!(TRIGGER))],
    )
}

/// Returns a builder of a pressed button; [`post_id`](EventBuilder::post_id) sets its post.
pub fn button(id: &str) -> EventBuilder {
    hook("button", [("id", json!(id)), ("context", json!({})), ("trigger_id", json!(TRIGGER))])
}

/// Returns a builder of an option that is chosen from a menu.
pub fn menu(id: &str, option: &str) -> EventBuilder {
    let chosen = ("selected_option", json!(option));
    hook("menu", [("id", json!(id)), ("context", json!({})), ("trigger_id", json!(TRIGGER)), chosen])
}

/// Returns a builder of a dialog that is sent, by its `callback_id`.
pub fn dialog(callback_id: &str) -> EventBuilder {
    hook("dialog", [("callback_id", json!(callback_id)), ("submission", json!({}))])
}

fn hook(event: &'static str, data: impl IntoIterator<Item = (&'static str, Value)>) -> EventBuilder {
    let data = data.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    EventBuilder::new(Content::Hook { event, data })
}

impl EventBuilder {
    /// Adds a member to the context of the button or menu.
    pub fn with_context(self, name: &str, value: Value) -> Self {
        self.with_hook_data(|data| put_into(data, "context", name, value))
    }

    /// Sets the value of a field of the dialog.
    pub fn with_field(self, name: &str, value: Value) -> Self {
        self.with_hook_data(|data| put_into(data, "submission", name, value))
    }

    /// Sets the state of the dialog.
    pub fn with_state(self, state: &str) -> Self {
        self.with_hook_data(|data| drop(data.insert("state".into(), json!(state))))
    }

    /// Cancels the dialog instead of sending it.
    pub fn cancelled(self) -> Self {
        self.with_hook_data(|data| drop(data.insert("cancelled".into(), json!(true))))
    }

    fn with_hook_data(mut self, change: impl FnOnce(&mut Map<String, Value>)) -> Self {
        if let Content::Hook { data, .. } = &mut self.content {
            change(data);
        }
        self
    }

    /// Returns the data of a hook's event, with the person and the place.
    pub(super) fn hook_data(&self, data: &Map<String, Value>, post: &str) -> Value {
        let mut data = data.clone();
        for (name, text) in [
            ("user_id", &*self.user),
            ("user_name", &self.user),
            ("channel_id", &self.channel),
            ("post_id", post),
            ("root_id", &self.root),
        ] {
            data.insert(name.to_owned(), json!(text));
        }
        data.into()
    }
}

fn put_into(data: &mut Map<String, Value>, member: &str, name: &str, value: Value) {
    if let Some(Value::Object(members)) = data.get_mut(member) {
        members.insert(name.to_owned(), value);
    }
}
