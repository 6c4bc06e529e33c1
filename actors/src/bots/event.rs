//! Events as a bot receives them, parsed from the server's JSON.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{ButtonPress, DialogSubmission, SlashCommand};
use crate::model::{ChannelId, Event, FileId, PostId, UserId};

/// A post as handlers receive it. Times are in milliseconds of server time.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Post {
    /// The id of the post.
    pub id: PostId,
    /// The time at which the post was created.
    #[serde(default, deserialize_with = "null_as_default")]
    pub create_at: i64,
    /// The time of the last edit of the text, or 0.
    #[serde(default, deserialize_with = "null_as_default")]
    pub edit_at: i64,
    /// The author.
    pub user_id: UserId,
    /// The channel of the post.
    pub channel_id: ChannelId,
    /// The first post of the thread, if the post is a reply.
    #[serde(default, deserialize_with = "non_empty_id")]
    pub root_id: Option<PostId>,
    /// The text; possibly empty if the post is deleted.
    #[serde(default, deserialize_with = "null_as_default")]
    pub message: String,
    /// The type: empty for posts by users and bots, `system_…` for posts by the server (fact 18).
    #[serde(default, rename = "type", deserialize_with = "null_as_default")]
    pub kind: String,
    /// The properties, such as `attachments`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub props: Map<String, Value>,
    /// The files, whose content [`Context::open_file`](super::Context::open_file) fetches.
    #[serde(default, deserialize_with = "null_as_default")]
    pub file_ids: Vec<FileId>,
    /// The users whom the server notifies of the post. Always empty for a recovered post, where they are not known.
    #[serde(skip)]
    pub mentions: Vec<UserId>,
}

/// A reaction that a user added or removed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reaction {
    /// The user who reacted.
    pub user_id: UserId,
    /// The post.
    pub post_id: PostId,
    /// The name of the emoji, without colons.
    #[serde(rename = "emoji_name")]
    pub emoji: String,
    /// True if the reaction was added, false if it was removed.
    #[serde(skip)]
    pub added: bool,
}

/// A user who joined a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The user.
    pub user_id: UserId,
    /// The channel.
    pub channel_id: ChannelId,
}

/// A user of the server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The username, without the `@`.
    pub username: String,
    /// The first name; empty if the server hides it or the user has none, like the next ones.
    #[serde(default, deserialize_with = "null_as_default")]
    pub first_name: String,
    /// The last name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub last_name: String,
    /// The nickname.
    #[serde(default, deserialize_with = "null_as_default")]
    pub nickname: String,
    /// True for the account of a bot.
    #[serde(default, deserialize_with = "null_as_default")]
    pub is_bot: bool,
}

/// The thread of an event's post.
#[derive(Debug, Clone, Default)]
pub(super) struct Thread {
    /// The first post, if it is known.
    pub(super) root_id: Option<PostId>,
    /// Another post, whose first is not known.
    pub(super) thread_of: Option<PostId>,
}

/// An event, by the handler that it goes to.
#[derive(Debug)]
pub(super) enum BotEvent {
    Posted(Post),
    Edited(Post),
    Deleted(Post),
    Reaction(Reaction),
    Joined(Joined, PostId),
    SlashCommand(SlashCommand),
    Button(ButtonPress),
    Dialog(DialogSubmission),
    Raw,
}

impl Post {
    /// Returns the thread for a reply: the post's own thread, or the one that a reply starts.
    pub fn thread(&self) -> PostId {
        self.root_id.clone().unwrap_or_else(|| self.id.clone())
    }

    /// True if the server wrote the post.
    pub fn is_system(&self) -> bool {
        self.kind.starts_with("system_")
    }

    /// True if a bot or a webhook made the post. A webhook's posts have the person who created it as their author.
    pub fn is_automated(&self) -> bool {
        let is_marked = |prop| match self.props.get(prop) {
            Some(Value::String(mark)) => mark == "true",
            Some(mark) => *mark == Value::Bool(true),
            None => false,
        };
        is_marked("from_bot") || is_marked("from_webhook")
    }

    /// Returns the user who joined the channel, if this is a join post (fact 28).
    fn to_joined(&self) -> Option<Joined> {
        let user_id = match &*self.kind {
            "system_join_channel" => self.user_id.clone(),
            "system_add_to_channel" => self.props.get("addedUserId")?.as_str()?.into(),
            _ => return None,
        };
        Some(Joined { user_id, channel_id: self.channel_id.clone() })
    }
}

impl BotEvent {
    /// Parses an event.
    ///
    /// # Errors
    ///
    /// If the event's data does not match its name.
    pub(super) fn parse(event: &Event) -> serde_json::Result<Self> {
        let data = &event.body.data;
        Ok(match &*event.body.event {
            "posted" => {
                let post: Post = Post { mentions: parse_mentions(data), ..parse_nested(data, "post")? };
                match post.to_joined() {
                    Some(joined) => Self::Joined(joined, post.id),
                    None if post.is_system() => Self::Raw,
                    None => Self::Posted(post),
                }
            }
            "post_edited" => Self::Edited(parse_nested(data, "post")?),
            "post_deleted" => Self::Deleted(parse_nested(data, "post")?),
            "reaction_added" => Self::Reaction(Reaction { added: true, ..parse_nested(data, "reaction")? }),
            "reaction_removed" => Self::Reaction(parse_nested(data, "reaction")?),
            "slash_command" => Self::SlashCommand(serde_json::from_str(data)?),
            "button" | "menu" => Self::Button(serde_json::from_str(data)?),
            "dialog" => Self::Dialog(serde_json::from_str(data)?),
            _ => Self::Raw,
        })
    }

    /// Returns the name of the handler.
    pub(super) fn handler(&self) -> &'static str {
        match self {
            Self::Posted(_) => "posted",
            Self::Edited(_) => "edited",
            Self::Deleted(_) => "deleted",
            Self::Reaction(_) => "reaction",
            Self::Joined(..) => "joined",
            Self::SlashCommand(_) => "slash_command",
            Self::Button(_) => "pressed",
            Self::Dialog(_) => "submitted",
            Self::Raw => "raw",
        }
    }

    /// Returns the author of the post, the user who reacted or the one who joined, and the time in milliseconds of server
    /// time, as far as the event has them.
    pub(super) fn sender_and_time(&self) -> (Option<UserId>, Option<i64>) {
        match self {
            Self::Posted(post) => (Some(post.user_id.clone()), Some(post.create_at)),
            Self::Edited(post) => (Some(post.user_id.clone()), Some(post.edit_at)),
            Self::Deleted(post) => (Some(post.user_id.clone()), None),
            Self::Reaction(reaction) => (Some(reaction.user_id.clone()), None),
            Self::Joined(joined, _) => (Some(joined.user_id.clone()), None),
            Self::SlashCommand(command) => (Some(command.user_id.clone()), None),
            Self::Button(press) => (Some(press.user_id.clone()), None),
            Self::Dialog(dialog) => (Some(dialog.user_id.clone()), None),
            Self::Raw => (None, None),
        }
    }

    /// Returns the post that the event concerns and the post's thread.
    pub(super) fn post_and_thread(&self) -> (Option<PostId>, Thread) {
        match self {
            Self::Posted(post) | Self::Edited(post) | Self::Deleted(post) => {
                (Some(post.id.clone()), Thread { root_id: Some(post.thread()), thread_of: None })
            }
            Self::Reaction(reaction) => {
                let post = Some(reaction.post_id.clone());
                (post.clone(), Thread { root_id: None, thread_of: post })
            }
            Self::Joined(_, post) => {
                (Some(post.clone()), Thread { root_id: Some(post.clone()), thread_of: None })
            }
            Self::SlashCommand(command) => {
                (None, Thread { root_id: command.root_id.clone(), thread_of: None })
            }
            Self::Button(press) => {
                let post = Some(press.post_id.clone());
                (post.clone(), Thread { root_id: None, thread_of: post })
            }
            Self::Dialog(_) | Self::Raw => (None, Thread::default()),
        }
    }

    /// True for what the server asks by HTTP, whose answer may be part of the response.
    pub(super) fn is_hook(&self) -> bool {
        matches!(self, Self::SlashCommand(_) | Self::Button(_) | Self::Dialog(_))
    }

    /// Returns the trigger that opens a dialog.
    pub(super) fn trigger(&self) -> Option<Box<str>> {
        match self {
            Self::SlashCommand(command) => Some(command.trigger_id.0.clone()),
            Self::Button(press) => Some(press.trigger_id.0.clone()),
            Self::Posted(_)
            | Self::Edited(_)
            | Self::Deleted(_)
            | Self::Reaction(_)
            | Self::Joined(..)
            | Self::Dialog(_)
            | Self::Raw => None,
        }
    }
}

/// Parses a member of the data that is JSON inside a string (fact 13).
fn parse_nested<T: DeserializeOwned>(data: &str, member: &str) -> serde_json::Result<T> {
    let data: Map<String, Value> = serde_json::from_str(data)?;
    serde_json::from_str(data.get(member).and_then(Value::as_str).unwrap_or_default())
}

fn parse_mentions(data: &str) -> Vec<UserId> {
    parse_nested(data, "mentions").unwrap_or_default()
}

/// Deserializes an id; an empty one becomes `None`.
pub(super) fn non_empty_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PostId>, D::Error> {
    let id = Option::<PostId>::deserialize(deserializer)?;
    Ok(id.filter(|id| !id.as_str().is_empty()))
}

/// Reads `null`, which some servers write, as the absence of a value.
pub(super) fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
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
