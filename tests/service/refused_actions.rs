//! Actions that no door takes, with the status that all of them answer.

use serde_json::{Value, json};

/// An id in the form of the server's.
const ID: &str = "ej9ph9bhrt8bzxkfb7rzdtdjsa";

/// Returns the actions, with a channel that there is.
pub(crate) fn refused_actions(channel: &str) -> Vec<(Value, u16)> {
    vec![
        (json!({ "action": "dance" }), 400),
        (json!({ "action": "typing", "target": channel, "thred": ID }), 400),
        (json!({ "action": "post", "target": "", "text": "x" }), 400),
        (json!({ "action": "post", "target": channel, "text": "x", "key": "ü" }), 400),
        (json!({ "action": "react", "post": ID, "emoji": ":eyes:" }), 400),
        (json!({ "action": "get_posts", "target": channel, "count": 0 }), 400),
        (json!({ "action": "update", "target": channel, "text": "x" }), 422),
        (json!({ "action": "update", "post": ID, "key": "k", "text": "x" }), 422),
        (json!({ "action": "reply", "text": "x", "errors": { "name": "too short" } }), 422),
        (json!({ "action": "upload", "target": channel, "file": "x" }), 422),
        (json!({ "action": "get_file", "file": ID, "path": "x" }), 422),
        (json!({ "action": "post", "target": channel, "text": "" }), 422),
        (json!({ "action": "post", "target": "crew/nowhere", "text": "x" }), 404),
    ]
}
