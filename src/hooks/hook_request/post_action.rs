use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Excerpt, MAX_SHORT_BYTES, MalformedRequest, Origin, id, optional_id, short};

/// The member of `context` that holds the signed context.
pub(in crate::hooks) const SIGNED_CONTEXT: &str = "matterhost";

/// A button that a person pressed, or a menu in which a person chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRequest {
    /// The person, the channel and the team.
    pub origin: Origin,
    /// The post with the button.
    pub post_id: String,
    /// The trigger, which opens dialogs.
    pub trigger_id: String,
    /// The signed context; empty if there is none.
    pub signed: String,
    /// The choice in a menu.
    pub selected_option: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawAction {
    user_id: String,
    user_name: String,
    channel_id: String,
    channel_name: String,
    team_id: String,
    team_domain: String,
    post_id: String,
    trigger_id: String,
    context: Option<Map<String, Value>>,
}

impl ActionRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// If it is not JSON, or a member is missing or has another form.
    pub fn parse(body: &[u8]) -> Result<Self, MalformedRequest> {
        let raw: RawAction = serde_json::from_slice(body).map_err(|error| MalformedRequest::Body {
            expected: "the JSON of a button or menu",
            cause: Excerpt::of(&error),
        })?;
        let context = raw.context.unwrap_or_default();
        let text = |name: &str| context.get(name).and_then(Value::as_str);
        let selected_option = match context.get("selected_option") {
            None => None,
            Some(Value::String(text)) if text.len() <= MAX_SHORT_BYTES => Some(text.clone()),
            Some(_) => return Err(MalformedRequest::Member { member: "selected_option" }),
        };
        Ok(Self {
            signed: text(SIGNED_CONTEXT).unwrap_or_default().to_owned(),
            selected_option,
            origin: Origin {
                user_id: id("user_id", raw.user_id)?,
                user_name: short("user_name", raw.user_name)?,
                channel_id: id("channel_id", raw.channel_id)?,
                channel_name: short("channel_name", raw.channel_name)?,
                team_id: optional_id("team_id", raw.team_id)?,
                team_domain: short("team_domain", raw.team_domain)?,
            },
            post_id: id("post_id", raw.post_id)?,
            trigger_id: short("trigger_id", raw.trigger_id)?,
        })
    }
}
