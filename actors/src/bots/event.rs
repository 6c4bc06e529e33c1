//! What a bot hears, read from the server's own words.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::model::{ChannelId, Event, PostId, UserId};

/// A post, as far as bots go. Times are milliseconds of server time.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Post {
    /// The post.
    pub id: PostId,
    /// When it was made.
    #[serde(default, deserialize_with = "null_as_default")]
    pub create_at: i64,
    /// When its text was last edited, or 0.
    #[serde(default, deserialize_with = "null_as_default")]
    pub edit_at: i64,
    /// Who made it.
    pub user_id: UserId,
    /// Where it is.
    pub channel_id: ChannelId,
    /// The first post of its thread, if it is a reply.
    #[serde(default, deserialize_with = "named")]
    pub root_id: Option<PostId>,
    /// The text. A deleted post may have none.
    #[serde(default, deserialize_with = "null_as_default")]
    pub message: String,
    /// Empty for what people and bots write; `system_…` for what the server writes (fact 18).
    #[serde(default, rename = "type", deserialize_with = "null_as_default")]
    pub kind: String,
    /// Its properties.
    #[serde(default, deserialize_with = "null_as_default")]
    pub props: Map<String, Value>,
    /// Who is to be told of it. Empty where it is not known: in what was recovered.
    #[serde(skip)]
    pub mentions: Vec<UserId>,
}

/// A reaction that somebody made or took back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reaction {
    /// Whose.
    pub user_id: UserId,
    /// To which post.
    pub post_id: PostId,
    /// The emoji's name, without colons.
    #[serde(rename = "emoji_name")]
    pub emoji: String,
    /// Whether it was made; else it was taken back.
    #[serde(skip)]
    pub added: bool,
}

/// Somebody came into a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Who.
    pub user_id: UserId,
    /// Where.
    pub channel_id: ChannelId,
}

/// What an event is to a bot.
#[derive(Debug)]
pub(super) enum BotEvent {
    Posted(Post),
    Edited(Post),
    Deleted(Post),
    Reaction(Reaction),
    Joined(Joined, PostId),
    Raw,
}

impl Post {
    /// The thread that an answer to it belongs to: its own, or the one that it would begin.
    pub fn thread(&self) -> PostId {
        self.root_id.clone().unwrap_or_else(|| self.id.clone())
    }

    /// Whether the server wrote it.
    pub fn is_system(&self) -> bool {
        self.kind.starts_with("system_")
    }

    /// Who came into the channel, if it says that somebody did (fact 28).
    fn joined(&self) -> Option<Joined> {
        let user_id = match &*self.kind {
            "system_join_channel" => self.user_id.clone(),
            "system_add_to_channel" => self.props.get("addedUserId")?.as_str()?.into(),
            _ => return None,
        };
        Some(Joined { user_id, channel_id: self.channel_id.clone() })
    }
}

impl BotEvent {
    /// Reads an event.
    ///
    /// # Errors
    ///
    /// When it is not what its name says.
    pub(super) fn parse(event: &Event) -> serde_json::Result<Self> {
        let data = &event.body.data;
        Ok(match &*event.body.event {
            "posted" => {
                let post: Post = Post { mentions: mentions(data), ..inner(data, "post")? };
                match post.joined() {
                    Some(joined) => Self::Joined(joined, post.id),
                    None if post.is_system() => Self::Raw,
                    None => Self::Posted(post),
                }
            }
            "post_edited" => Self::Edited(inner(data, "post")?),
            "post_deleted" => Self::Deleted(inner(data, "post")?),
            "reaction_added" => Self::Reaction(Reaction { added: true, ..inner(data, "reaction")? }),
            "reaction_removed" => Self::Reaction(inner(data, "reaction")?),
            _ => Self::Raw,
        })
    }

    /// The post that it is about, and the thread that it is in.
    pub(super) fn post_and_thread(&self) -> (Option<PostId>, Option<PostId>) {
        match self {
            Self::Posted(post) | Self::Edited(post) | Self::Deleted(post) => {
                (Some(post.id.clone()), Some(post.thread()))
            }
            Self::Reaction(reaction) => (Some(reaction.post_id.clone()), Some(reaction.post_id.clone())),
            Self::Joined(_, post) => (Some(post.clone()), Some(post.clone())),
            Self::Raw => (None, None),
        }
    }
}

/// A member of the data that is JSON inside a string (fact 13).
fn inner<T: DeserializeOwned>(data: &str, member: &str) -> serde_json::Result<T> {
    let data: Map<String, Value> = serde_json::from_str(data)?;
    serde_json::from_str(data.get(member).and_then(Value::as_str).unwrap_or_default())
}

fn mentions(data: &str) -> Vec<UserId> {
    inner(data, "mentions").unwrap_or_default()
}

/// An empty id names nothing.
fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PostId>, D::Error> {
    let id = Option::<PostId>::deserialize(deserializer)?;
    Ok(id.filter(|id| !id.as_str().is_empty()))
}

/// Reads `null`, which some servers write, as the absence of a value.
fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_the_absence_of_a_value() {
        let json = r#"{"id":"p","user_id":"u","channel_id":"c","root_id":null,"message":null,"type":null,
            "props":null,"create_at":null,"edit_at":null}"#;
        let post: Post = serde_json::from_str(json).unwrap();
        assert_eq!((&*post.message, &*post.kind, post.props.len(), post.root_id), ("", "", 0, None));
    }
}
