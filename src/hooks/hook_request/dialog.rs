use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Excerpt, MalformedRequest, id, short};

/// A dialog that a person sent or cancelled.
#[derive(Debug, Clone, PartialEq)]
pub struct DialogRequest {
    /// The id of the person.
    pub user_id: String,
    /// The id of the channel.
    pub channel_id: String,
    /// The handler's own id of the dialog.
    pub callback_id: String,
    /// The signed state.
    pub signed: String,
    /// The values of the fields.
    pub submission: Map<String, Value>,
    /// True if the person cancelled it.
    pub cancelled: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawDialog {
    callback_id: String,
    state: String,
    user_id: String,
    channel_id: String,
    submission: Option<Map<String, Value>>,
    cancelled: bool,
}

impl DialogRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// If it is not JSON, or a member is missing or has another form.
    pub fn parse(body: &[u8]) -> Result<Self, MalformedRequest> {
        let raw: RawDialog = serde_json::from_slice(body).map_err(|error| MalformedRequest::Body {
            expected: "the JSON of a dialog",
            cause: Excerpt::of(&error),
        })?;
        Ok(Self {
            user_id: id("user_id", raw.user_id)?,
            channel_id: id("channel_id", raw.channel_id)?,
            callback_id: short("callback_id", raw.callback_id)?,
            signed: raw.state,
            submission: raw.submission.unwrap_or_default(),
            cancelled: raw.cancelled,
        })
    }
}
