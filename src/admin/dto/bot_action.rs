//! Actions that an account takes on its Mattermost server, and their results.

use matterhost_actors::model::{
    ChannelId, Draft, OutgoingAction, PostId, ReplyKey, ReplyKeyError, Target, TargetError, UserId, UserRef,
    UserRefError, is_full_id,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, OneOfBuilder, Ref, RefOr, Schema},
};

/// The most actions of one request. They are taken one after another, each within `replies.deadline`.
const MAX_ACTIONS: usize = 16;

/// An action for an account to take.
///
/// A `target` is a channel's id, `team/channel`, or `@username` for the direct channel with that user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
#[schema(example = json!({ "action": "post", "target": "staff/town-square", "text": "The backup is done." }))]
pub enum BotAction {
    /// Create a post.
    Post {
        /// The channel.
        #[schema(
            pattern = "^([A-Za-z0-9]{26}|@[A-Za-z0-9][A-Za-z0-9._-]{0,63}|[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[A-Za-z0-9][A-Za-z0-9._-]{0,63})$"
        )]
        target: String,
        /// The text, in Markdown; a long text is split into several posts.
        #[serde(default)]
        text: String,
        /// The root post of the thread to reply in.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[schema(pattern = "^[A-Za-z0-9]{26}$")]
        thread: Option<String>,
        /// The `props` of the Mattermost post, such as `attachments`.
        #[serde(skip_serializing_if = "Map::is_empty", default)]
        #[schema(value_type = Object)]
        props: Map<String, Value>,
        /// An idempotency key: requests with the same key create the post once.
        #[schema(pattern = "^[!-~]{1,256}$")]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        key: Option<String>,
    },
    /// Show a text to one user, without storing it.
    Whisper {
        /// The channel.
        #[schema(
            pattern = "^([A-Za-z0-9]{26}|@[A-Za-z0-9][A-Za-z0-9._-]{0,63}|[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[A-Za-z0-9][A-Za-z0-9._-]{0,63})$"
        )]
        target: String,
        /// The user who sees it: an id or `@username`.
        #[schema(pattern = "^([A-Za-z0-9]{26}|@[A-Za-z0-9][A-Za-z0-9._-]{0,63})$")]
        user: String,
        /// The text, in Markdown.
        text: String,
        /// The root post of the thread to show it in.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[schema(pattern = "^[A-Za-z0-9]{26}$")]
        thread: Option<String>,
    },
    /// Replace the text of one of the account's posts.
    Update {
        /// The post.
        #[schema(pattern = "^[A-Za-z0-9]{26}$")]
        post: String,
        /// The new text.
        text: String,
    },
    /// Delete a post; one that is gone already counts as deleted.
    Delete {
        /// The post.
        #[schema(pattern = "^[A-Za-z0-9]{26}$")]
        post: String,
    },
    /// Add a reaction to a post.
    React {
        /// The post.
        #[schema(pattern = "^[A-Za-z0-9]{26}$")]
        post: String,
        /// The emoji's name, without colons.
        #[schema(pattern = "^[A-Za-z0-9_+-]{1,64}$")]
        emoji: String,
    },
    /// Remove the account's reaction from a post.
    Unreact {
        /// The post.
        #[schema(pattern = "^[A-Za-z0-9]{26}$")]
        post: String,
        /// The emoji's name, without colons.
        #[schema(pattern = "^[A-Za-z0-9_+-]{1,64}$")]
        emoji: String,
    },
    /// Show the account as typing, for some seconds.
    Typing {
        /// The channel.
        #[schema(
            pattern = "^([A-Za-z0-9]{26}|@[A-Za-z0-9][A-Za-z0-9._-]{0,63}|[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[A-Za-z0-9][A-Za-z0-9._-]{0,63})$"
        )]
        target: String,
        /// The root post of the thread to show it in.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[schema(pattern = "^[A-Za-z0-9]{26}$")]
        thread: Option<String>,
    },
}

/// One action, or several that are taken in order.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum BotActions {
    /// One action.
    One(BotAction),
    /// Several actions, 16 at most.
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

/// The result of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BotActionDone {
    /// The ids of the created posts: one, unless the text was split; none if the action creates no post.
    pub ids: Vec<String>,
}

/// The result of one of several actions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BotActionResult {
    /// The status that a request with this action alone would have had; 424 if an earlier action failed and this one was
    /// not taken.
    pub status: u16,
    /// The ids of the created posts.
    pub ids: Vec<String>,
    /// The reason, if the action was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The reason why an action is not valid.
#[derive(Debug, thiserror::Error)]
pub enum BotActionError {
    /// Its target is none.
    #[error("target: {0}")]
    Target(#[from] TargetError),
    /// Its user is none.
    #[error("user: {0}")]
    User(#[from] UserRefError),
    /// Its key cannot be used.
    #[error("key: {0}")]
    Key(#[from] ReplyKeyError),
    /// Its key has characters that a header cannot have.
    #[error("key must be 1 to 256 visible ASCII characters")]
    KeyNotAscii,
    /// An id or name has the wrong form.
    #[error("{member} must be {form}")]
    Member {
        /// The member.
        member: &'static str,
        /// The form that it must have.
        form: &'static str,
    },
}

/// An action whose target and user have to be looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct UnresolvedAction {
    /// The channel, if the action names one.
    pub target: Option<Target>,
    /// The user, if the action names one.
    pub user: Option<UserRef>,
    /// The action, with empty ids for these.
    pub action: OutgoingAction,
}

impl BotAction {
    /// Checks the action and converts it.
    ///
    /// # Errors
    /// When a member is not valid.
    pub fn check(self, default_key: Option<&str>) -> Result<UnresolvedAction, BotActionError> {
        let (mut target, mut user) = (None, None);
        let action = match self {
            Self::Post { target: named, text, thread, props, key } => {
                target = Some(named.parse()?);
                let key = key.as_deref().or(default_key).map(check_key).transpose()?;
                let root_id = thread.as_deref().map(|id| post_id("thread", id)).transpose()?;
                OutgoingAction::Post(Draft { text, root_id, props, key, ..Draft::default() })
            }
            Self::Whisper { target: named, user: reader, text, thread } => {
                (target, user) = (Some(named.parse()?), Some(reader.parse()?));
                let root_id = thread.as_deref().map(|id| post_id("thread", id)).transpose()?;
                let draft = Draft { text, root_id, ..Draft::default() };
                OutgoingAction::Ephemeral { user: UserId::default(), draft }
            }
            Self::Update { post, text } => OutgoingAction::Edit { post: post_id("post", &post)?, text },
            Self::Delete { post } => OutgoingAction::Delete { post: post_id("post", &post)? },
            Self::React { post, emoji } => {
                OutgoingAction::React { post: post_id("post", &post)?, emoji: check_emoji(emoji)? }
            }
            Self::Unreact { post, emoji } => {
                OutgoingAction::Unreact { post: post_id("post", &post)?, emoji: check_emoji(emoji)? }
            }
            Self::Typing { target: named, thread } => {
                target = Some(named.parse()?);
                let root_id = thread.as_deref().map(|id| post_id("thread", id)).transpose()?;
                OutgoingAction::Typing { channel: ChannelId::default(), root_id }
            }
        };
        Ok(UnresolvedAction { target, user, action })
    }
}

impl UnresolvedAction {
    /// Returns the action with the ids that were looked up.
    pub fn resolve(mut self, target: Option<ChannelId>, reader: Option<UserId>) -> OutgoingAction {
        match &mut self.action {
            OutgoingAction::Post(draft) => draft.channel = target.unwrap_or_default(),
            OutgoingAction::Ephemeral { user, draft } => {
                (draft.channel, *user) = (target.unwrap_or_default(), reader.unwrap_or_default());
            }
            OutgoingAction::Typing { channel, .. } => *channel = target.unwrap_or_default(),
            OutgoingAction::Edit { .. }
            | OutgoingAction::React { .. }
            | OutgoingAction::Unreact { .. }
            | OutgoingAction::Delete { .. } => {}
        }
        self.action
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

fn check_key(key: &str) -> Result<ReplyKey, BotActionError> {
    if key.is_ascii() { Ok(ReplyKey::new(key)?) } else { Err(BotActionError::KeyNotAscii) }
}

fn post_id(member: &'static str, id: &str) -> Result<PostId, BotActionError> {
    let form = "a post's id: 26 letters and digits";
    if is_full_id(id) { Ok(id.into()) } else { Err(BotActionError::Member { member, form }) }
}

fn check_emoji(emoji: String) -> Result<String, BotActionError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-');
    let is_name = (1..=64).contains(&emoji.len()) && emoji.bytes().all(is_allowed);
    let form = "an emoji's name without colons, such as thumbsup";
    if is_name { Ok(emoji) } else { Err(BotActionError::Member { member: "emoji", form }) }
}

#[cfg(test)]
mod tests;
