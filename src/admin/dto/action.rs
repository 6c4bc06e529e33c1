//! The requests that change something, and their results.

use matterhost_actors::model::{ChannelId, Draft, PostId, ReplyKey, ReplyKeyError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An action on an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Ends its Connection and starts the next at once; starts a stopped account.
    Restart,
    /// Stops it until someone starts it.
    Stop,
    /// Starts it if it is stopped, tripped, or waiting.
    Start,
    /// Restores its whole restart budget.
    Reset,
    /// Compares the server's posts with those received, now.
    Audit,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 5] = [Self::Restart, Self::Stop, Self::Start, Self::Reset, Self::Audit];

    /// Returns the word for the action in paths and commands.
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

/// The response to an accepted action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionAccepted {
    /// The account.
    pub account: String,
    /// The action.
    pub action: Action,
    /// True if there was nothing to start: the account is running.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub already_running: bool,
    /// The sinks of the account that rested and were started, too.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub started_sinks: Vec<String>,
}

/// A post to create as an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPost {
    /// The channel's id.
    #[schema(min_length = 1)]
    pub channel_id: String,
    /// The text, in Markdown; a long text is split into several posts.
    #[schema(min_length = 1, max_length = 163_830)]
    pub message: String,
    /// The root post of the thread to reply in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub root_id: Option<String>,
    /// The `props` of the Mattermost post.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty", default)]
    #[schema(value_type = Object)]
    pub props: serde_json::Map<String, serde_json::Value>,
    /// An idempotency key: 1 to 256 visible ASCII characters. Requests with the same key create the post once.
    #[schema(pattern = "^[!-~]{1,256}$")]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
}

/// A created post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PostCreated {
    /// The ids of the post's parts: one, unless it was split.
    pub ids: Vec<String>,
}

/// The log level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogLevel {
    /// A level, or a list of modules with levels such as `matterhost=debug,info`.
    #[schema(
        pattern = "^([A-Za-z0-9_:-]+=)?(off|error|warn|info|debug|trace)(,([A-Za-z0-9_:-]+=)?(off|error|warn|info|debug|trace)){0,63}$"
    )]
    pub level: String,
}

impl NewPost {
    /// Converts to the draft that an account posts.
    ///
    /// # Errors
    /// When the key is not valid.
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
