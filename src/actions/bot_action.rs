//! The JSON of actions.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, OneOfBuilder, Ref, RefOr, Schema},
};

use super::action_limits::MAX_ACTIONS;
use super::schema::{
    emoji_schema, file_id_schema, file_name_schema, files_schema, key_schema, new_path_schema,
    optional_post_id_schema, optional_target_schema, path_schema, post_id_schema, thread_schema,
    update_post_schema, user_schema,
};

/// An action for an account to take, or a look-up.
///
/// A handler's action answers an event, which is the default for the channel, the post and the user. In a request without
/// an event these members are required.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum BotAction {
    /// Answer an event in its channel.
    #[schema(examples(json!({ "action": "reply", "text": "Thanks!", "in_thread": true, "key": "thanks" })))]
    Reply {
        /// The text, in Markdown; a long text is split into several posts.
        #[serde(default)]
        text: String,
        /// Reply in the thread of the event's post.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        in_thread: bool,
        /// The readers; everyone in the channel if it is left out.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        response_type: Option<ResponseType>,
        /// The `props` of the Mattermost post, such as `attachments`.
        #[serde(skip_serializing_if = "Map::is_empty", default)]
        #[schema(value_type = Object)]
        props: Map<String, Value>,
        /// The errors in the fields of a dialog, by name: they send the person back to it.
        #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
        errors: BTreeMap<String, String>,
        /// The idempotency key.
        #[schema(schema_with = key_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        key: Option<String>,
        /// The files to attach.
        #[schema(schema_with = files_schema)]
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        files: Vec<String>,
    },
    /// Create a post.
    #[schema(examples(json!({ "action": "post", "target": "staff/town-square", "text": "The backup is done.", "key": "backup-2026-11-28" })))]
    Post {
        /// The channel.
        #[schema(schema_with = optional_target_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        target: Option<String>,
        /// The text, in Markdown; a long text is split into several posts.
        #[serde(default)]
        text: String,
        /// The root post of the thread.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[schema(schema_with = thread_schema)]
        thread: Option<String>,
        /// The `props` of the Mattermost post, such as `attachments`.
        #[serde(skip_serializing_if = "Map::is_empty", default)]
        #[schema(value_type = Object)]
        props: Map<String, Value>,
        /// The idempotency key.
        #[schema(schema_with = key_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        key: Option<String>,
        /// The files to attach.
        #[schema(schema_with = files_schema)]
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        files: Vec<String>,
    },
    /// Upload a file of a child process. It is shown once a post or reply in the same channel names its id in `files`.
    #[schema(examples(json!({ "action": "upload", "target": "@ann", "file": "out/report.pdf", "name": "Report.pdf" })))]
    Upload {
        /// The channel of that post.
        #[schema(schema_with = optional_target_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        target: Option<String>,
        /// The path of the file, below the directory of the child process.
        #[schema(schema_with = path_schema)]
        file: String,
        /// The name under which people see it; the last part of the path if it is left out.
        #[schema(schema_with = file_name_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        name: Option<String>,
        /// The idempotency key.
        #[schema(schema_with = key_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        key: Option<String>,
    },
    /// Show a text to one user, without storing it.
    #[schema(examples(json!({ "action": "whisper", "target": "staff/town-square", "user": "@ann", "text": "Only you see this." })))]
    Whisper {
        /// The channel.
        #[schema(schema_with = optional_target_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        target: Option<String>,
        /// The user.
        #[schema(schema_with = user_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        user: Option<String>,
        /// The text, in Markdown.
        text: String,
        /// The root post of the thread.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[schema(schema_with = thread_schema)]
        thread: Option<String>,
    },
    /// Replace the text of one of the account's posts. Of several updates by `key` that wait, only the newest is sent.
    #[schema(examples(json!({ "action": "update", "key": "thanks", "text": "Thanks! It is being looked at." })))]
    Update {
        /// The post; either it or `key` is given, except in answer to a button or menu, whose post is then meant.
        #[schema(schema_with = update_post_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        post: Option<String>,
        /// The key of the post: of the reply to the event, or of a post in the target.
        #[schema(schema_with = key_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        key: Option<String>,
        /// The channel of a post that is given by its key.
        #[schema(schema_with = optional_target_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        target: Option<String>,
        /// With `key`: false if the action is done once it is taken, and not only once the text is shown. The text is then not
        /// shown if a later one replaces it or the host is killed.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        wait: Option<bool>,
        /// The new text.
        text: String,
        /// The new `props` of the Mattermost post, which replace the old ones; left out, they stay.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[schema(value_type = Option<Object>)]
        props: Option<Map<String, Value>>,
    },
    /// Open a dialog for the person who ran the command or used the button that is answered, within 30 seconds.
    #[schema(examples(json!({ "action": "open_dialog", "dialog": { "title": "Why?", "elements": [
        { "display_name": "Reason", "name": "reason", "type": "text" }
    ] } })))]
    OpenDialog {
        /// The dialog: `title`, `elements` and the other members that Mattermost takes. `state` comes back with the answer.
        #[schema(value_type = Object)]
        dialog: Map<String, Value>,
    },
    /// Delete a post; one that is gone already counts as deleted.
    #[schema(examples(json!({ "action": "delete", "post": "ej9ph9bhrt8bzxkfb7rzdtdjsa" })))]
    Delete {
        /// The post.
        #[schema(schema_with = post_id_schema)]
        post: String,
    },
    /// Add a reaction to a post.
    #[schema(examples(json!({ "action": "react", "post": "ej9ph9bhrt8bzxkfb7rzdtdjsa", "emoji": "eyes" })))]
    React {
        /// The post.
        #[schema(schema_with = optional_post_id_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        post: Option<String>,
        /// The emoji's name, without colons.
        #[schema(schema_with = emoji_schema)]
        emoji: String,
    },
    /// Remove the account's reaction from a post.
    #[schema(examples(json!({ "action": "unreact", "post": "ej9ph9bhrt8bzxkfb7rzdtdjsa", "emoji": "eyes" })))]
    Unreact {
        /// The post.
        #[schema(schema_with = optional_post_id_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        post: Option<String>,
        /// The emoji's name, without colons.
        #[schema(schema_with = emoji_schema)]
        emoji: String,
    },
    /// Show the account as typing, for some seconds.
    #[schema(examples(json!({ "action": "typing", "target": "staff/town-square" })))]
    Typing {
        /// The channel.
        #[schema(schema_with = optional_target_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        target: Option<String>,
        /// The root post of the thread.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[schema(schema_with = thread_schema)]
        thread: Option<String>,
    },
    /// Look up a channel; the direct channel with a user is created if there is none.
    #[schema(examples(json!({ "action": "find_channel", "target": "staff/town-square" })))]
    FindChannel {
        /// The channel.
        #[schema(schema_with = optional_target_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        target: Option<String>,
    },
    /// Look up a user.
    #[schema(examples(json!({ "action": "find_user", "user": "@ann" })))]
    FindUser {
        /// The user.
        #[schema(schema_with = user_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        user: Option<String>,
    },
    /// Look up the posts of a thread, by one of them.
    #[schema(examples(json!({ "action": "get_thread", "post": "ej9ph9bhrt8bzxkfb7rzdtdjsa" })))]
    GetThread {
        /// The post.
        #[schema(schema_with = optional_post_id_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        post: Option<String>,
    },
    /// Look up the name, size and type of a file, and save it for a child process.
    #[schema(examples(json!({ "action": "get_file", "file": "ej9ph9bhrt8bzxkfb7rzdtdjsa" })))]
    GetFile {
        /// The file.
        #[schema(schema_with = file_id_schema)]
        file: String,
        /// The path at which a child process has the file once it is complete.
        #[schema(schema_with = new_path_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        path: Option<String>,
    },
    /// Look up the newest posts of a channel.
    #[schema(examples(json!({ "action": "get_posts", "target": "staff/town-square", "count": 20 })))]
    GetPosts {
        /// The channel.
        #[schema(schema_with = optional_target_schema)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        target: Option<String>,
        /// The number of posts; 60 if it is left out.
        #[schema(minimum = 1, maximum = 200)]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        count: Option<usize>,
    },
}

impl BotAction {
    /// Returns the number of files that it names.
    pub fn file_count(&self) -> usize {
        match self {
            Self::Reply { files, .. } | Self::Post { files, .. } => files.len(),
            Self::Upload { .. } | Self::GetFile { path: Some(_), .. } => 1,
            _ => 0,
        }
    }
}

/// The readers of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseType {
    /// Everyone in the channel.
    InChannel,
    /// The author of the event's post alone, until they reload the page.
    Ephemeral,
}

/// One action, or several that are taken in order.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum BotActions {
    /// One action.
    One(BotAction),
    /// Several actions, 64 at most.
    Several(Vec<BotAction>),
}

/// Written by hand because the derived schema has no limit of items.
impl PartialSchema for BotActions {
    fn schema() -> RefOr<Schema> {
        let action = || Ref::from_schema_name("BotAction");
        let several = ArrayBuilder::new().items(action()).max_items(Some(MAX_ACTIONS));
        OneOfBuilder::new().item(action()).item(several).into()
    }
}

impl ToSchema for BotActions {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(("BotAction".into(), BotAction::schema()));
        BotAction::schemas(schemas);
    }
}

/// Reads one action or a list. Errors name the place in the list.
impl<'de> Deserialize<'de> for BotActions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Array(items) => {
                let count = items.len();
                if count > MAX_ACTIONS {
                    return Err(D::Error::custom(format!("{count} actions; send at most {MAX_ACTIONS}")));
                }
                let read = |(n, item)| {
                    serde_json::from_value(item).map_err(|error| D::Error::custom(format!("[{n}]: {error}")))
                };
                items.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Self::Several)
            }
            one => serde_json::from_value(one).map(Self::One).map_err(D::Error::custom),
        }
    }
}
