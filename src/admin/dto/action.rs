//! What can be done.

use matterhost_actors::model::{ChannelId, Draft, PostId, ReplyKey, ReplyKeyError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What can be done with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// End its Connection and start the next at once; start it when it is stopped.
    Restart,
    /// Stop it until somebody starts it.
    Stop,
    /// Start it when it is stopped, tripped, or waiting.
    Start,
    /// Give it its whole restart budget back.
    Reset,
    /// Compare the server's posts with what was received, now.
    Audit,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Restart, Self::Stop, Self::Start, Self::Reset, Self::Audit];

    /// The action in one word, as paths and commands have it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Reset => "reset",
            Self::Audit => "audit",
        }
    }
}

/// What was asked for is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionAccepted {
    /// The account.
    pub account: String,
    /// What was asked for.
    pub action: Action,
}

/// A post to be made by an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPost {
    /// The channel.
    #[schema(min_length = 1)]
    pub channel_id: String,
    /// The text, in Markdown; one that is too long is cut into several posts.
    #[schema(min_length = 1, max_length = 163_830)]
    pub message: String,
    /// The post that begins the thread to answer in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub root_id: Option<String>,
    /// Properties of the post, as Mattermost knows them.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty", default)]
    #[schema(value_type = Object)]
    pub props: serde_json::Map<String, serde_json::Value>,
    /// The same key makes the same post once, however often it is asked for: 1 to 256 visible characters of ASCII.
    #[schema(pattern = "^[!-~]{1,256}$")]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
}

/// A post that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PostCreated {
    /// The ids of the post's parts: one, unless it was cut.
    pub ids: Vec<String>,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogLevel {
    /// A level, or modules with levels like `matterhost=debug,info`.
    #[schema(
        pattern = "^([A-Za-z0-9_:-]+=)?(off|error|warn|info|debug|trace)(,([A-Za-z0-9_:-]+=)?(off|error|warn|info|debug|trace)){0,63}$"
    )]
    pub level: String,
}

impl NewPost {
    /// What an account is asked to post.
    ///
    /// # Errors
    /// When the key cannot be one.
    pub fn into_draft(self) -> Result<Draft, ReplyKeyError> {
        let key = self.key.as_deref().map(ReplyKey::new).transpose()?;
        Ok(Draft {
            channel: ChannelId::from(&*self.channel_id),
            text: self.message,
            root_id: self.root_id.as_deref().map(PostId::from),
            props: self.props,
            key,
            ..Draft::default()
        })
    }
}
