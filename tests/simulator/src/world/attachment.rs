//! Message attachments, which the server fills up with every field it knows.

use serde_json::{Map, Value, json};

use crate::world::post::Post;

const TEXT_FIELDS: [&str; 13] = [
    "fallback",
    "color",
    "pretext",
    "author_name",
    "author_link",
    "author_icon",
    "title",
    "title_link",
    "text",
    "image_url",
    "thumb_url",
    "footer",
    "footer_icon",
];

/// Fills up the attachments in a post's props and names them in its metadata (events).
pub(crate) fn normalise(post: &mut Post) {
    let Some(Value::Array(attachments)) = post.props.get_mut("attachments") else {
        return;
    };
    for attachment in attachments.iter_mut().filter_map(Value::as_object_mut) {
        fill(attachment);
    }
    post.metadata["embeds"] = json!([{ "type": "message_attachment" }]);
}

fn fill(attachment: &mut Map<String, Value>) {
    attachment.entry("id").or_insert(json!(0));
    for field in TEXT_FIELDS {
        attachment.entry(field).or_insert(json!(""));
    }
    for field in ["fields", "ts"] {
        attachment.entry(field).or_insert(Value::Null);
    }
}
