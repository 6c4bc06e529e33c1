//! The content of the events that matterhost itself has to understand.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use super::{
    post_head::{OutlinedPost, PostHead, PostInData},
    raw::{any_object, inner_object, object, time},
};
use crate::{
    mattermost::{EventEnvelope, JsonProblem},
    model::{Change, ChannelId, EventBody, UserId, check_id},
    policy::{AccountPost, UserAct},
};

/// The content of `hello`: the server accepted the token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hello {
    /// The id that resumes this connection (fact 10). Missing if reliable WebSockets are off.
    #[serde(default, deserialize_with = "optional_id")]
    pub connection_id: Option<Box<str>>,
    /// The server's version, followed by its build and licence.
    #[serde(default)]
    pub server_version: Box<str>,
    /// The cluster node's name. Newer servers only.
    #[serde(default)]
    pub server_hostname: Option<Box<str>>,
}

/// The content of `user_updated`: an account was changed. Everyone else receives it, and that account too if it changed
/// itself (facts 6, 48).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UserUpdated {
    /// The changed account.
    pub id: UserId,
    /// Its new `update_at`, in milliseconds of server time.
    #[serde(deserialize_with = "time")]
    pub update_at: i64,
    /// The time at which it was disabled, or 0.
    #[serde(default, deserialize_with = "time")]
    pub delete_at: i64,
}

/// The content of `status_change`: a user is online, away or offline.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StatusChange<'a> {
    /// The user.
    #[serde(borrow)]
    pub user_id: Cow<'a, str>,
    /// The new status.
    #[serde(borrow)]
    pub status: Cow<'a, str>,
}

/// The content of `added_to_team`: a user was added to a team, which moves its `update_at` (fact 48).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AddedToTeam<'a> {
    /// The user.
    #[serde(borrow)]
    pub user_id: Cow<'a, str>,
}

/// The content of `posted`, in which the post is a JSON text inside JSON (fact 13).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PostedEvent<'a> {
    /// The post's JSON text.
    #[serde(borrow)]
    pub post: Cow<'a, str>,
}

fn optional_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<str>>, D::Error> {
    let id = Option::<Cow<'_, str>>::deserialize(deserializer)?;
    id.map(|id| check_id(&id).map(Into::into).map_err(D::Error::custom)).transpose()
}

impl EventEnvelope<'_> {
    /// Returns the channel that the event was sent to; empty if it was sent to users or teams.
    pub fn channel_id(&self) -> ChannelId {
        #[derive(Deserialize)]
        struct Broadcast {
            #[serde(default)]
            channel_id: ChannelId,
        }
        let broadcast = object::<Broadcast>(self.broadcast.get());
        broadcast.map(|to| to.channel_id).unwrap_or_default()
    }

    /// Parses the content of `hello`.
    ///
    /// # Errors
    ///
    /// Fails if `data` has another shape.
    pub fn hello(&self) -> Result<Hello, JsonProblem> {
        Ok(object(self.data.get())?)
    }

    /// Returns the user of a reaction that was added or removed.
    pub fn reaction_user(&self) -> Option<UserId> {
        #[derive(Deserialize)]
        struct Data<'a> {
            #[serde(borrow)]
            reaction: Cow<'a, str>,
        }
        #[derive(Deserialize)]
        struct Reaction {
            user_id: UserId,
        }
        let data: Data<'_> = object(self.data.get()).ok()?;
        object::<Reaction>(&data.reaction).ok().map(|reaction| reaction.user_id)
    }

    /// Parses the content of `user_updated`.
    ///
    /// # Errors
    ///
    /// Fails if `data` has another shape.
    pub fn user_updated(&self) -> serde_json::Result<UserUpdated> {
        #[derive(Deserialize)]
        struct Data {
            #[serde(deserialize_with = "inner_object")]
            user: UserUpdated,
        }
        object::<Data>(self.data.get()).map(|data| data.user)
    }
}

impl<'a> EventEnvelope<'a> {
    /// Parses the content of `status_change`.
    ///
    /// # Errors
    ///
    /// Fails if `data` has another shape.
    pub fn status_change(&self) -> serde_json::Result<StatusChange<'a>> {
        object(self.data.get())
    }

    /// Parses the content of `added_to_team`.
    ///
    /// # Errors
    ///
    /// Fails if `data` has another shape.
    pub fn added_to_team(&self) -> serde_json::Result<AddedToTeam<'a>> {
        object(self.data.get())
    }

    /// Parses the content of `posted`, `post_edited` or `post_deleted`.
    ///
    /// # Errors
    ///
    /// Fails if `data` has another shape.
    pub fn posted(&self) -> serde_json::Result<PostedEvent<'a>> {
        object(self.data.get())
    }
}

impl EventEnvelope<'_> {
    /// Parses the outline of the post of a `posted`, `post_edited` or `post_deleted`.
    ///
    /// # Errors
    ///
    /// Fails if `data` has another shape, or the text in it is not a post.
    pub(crate) fn outlined_post(&self) -> serde_json::Result<OutlinedPost> {
        object::<PostInData>(self.data.get()).map(|PostInData { post }| post)
    }
}

/// Returns the act of a user that an event reports: a post, an edit of its text, or a reaction.
pub(crate) fn user_act(body: &EventBody) -> Option<UserAct> {
    match &body.change {
        Some(Change::Posted(post)) => {
            PostAuthor::read(body).map(|author| author.into_act(post.create_at, AccountPost::New))
        }
        Some(Change::Edited { edit_at, .. }) => {
            PostAuthor::read(body).map(|author| author.into_act(*edit_at, AccountPost::Edit))
        }
        Some(Change::Deleted { .. } | Change::Left) => None,
        None => body.reaction().map(|reaction| UserAct {
            user: reaction.user_id,
            at: reaction.create_at,
            is_automatic: false,
            of_account: None,
        }),
    }
}

/// The author of a post, and the marks of a program.
#[derive(Deserialize)]
struct PostAuthor {
    user_id: UserId,
    #[serde(default, deserialize_with = "any_object")]
    props: Option<Marks>,
}

/// The props by which the server marks posts that no person made, and the one in which a host keeps the key of a post.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Marks {
    #[serde(rename = "matterhost_key")]
    key: Value,
    #[serde(rename = "from_bot")]
    bot: Value,
    #[serde(rename = "from_webhook")]
    webhook: Value,
    #[serde(rename = "from_plugin")]
    plugin: Value,
}

impl PostAuthor {
    fn read(body: &EventBody) -> Option<Self> {
        let posted: PostedEvent<'_> = object(&body.data).ok()?;
        object(&posted.post).ok()
    }

    fn into_act(self, at: i64, kind: AccountPost) -> UserAct {
        let marks = self.props.unwrap_or_default();
        let (is_automatic, of_account) = (marks.is_automatic(), marks.is_of_account().then_some(kind));
        UserAct { user: self.user_id, at, is_automatic, of_account }
    }
}

impl Marks {
    /// True if a program has made the post.
    fn is_automatic(&self) -> bool {
        [&self.bot, &self.webhook, &self.plugin].into_iter().any(is_set)
    }

    /// True if an account of a host has made the post. A person or a webhook may write a key as well; the server marks the posts
    /// of bots, and those of webhooks, which are made in the name of a person.
    fn is_of_account(&self) -> bool {
        self.key.is_string() && is_set(&self.bot) && !is_set(&self.webhook) && !is_set(&self.plugin)
    }
}

fn is_set(mark: &Value) -> bool {
    mark.as_str() == Some("true") || mark.as_bool() == Some(true)
}

impl PostedEvent<'_> {
    /// Parses the head of the post.
    ///
    /// # Errors
    ///
    /// Fails if the text inside is not a post.
    pub fn head(&self) -> serde_json::Result<PostHead<'_>> {
        object(&self.post)
    }
}

#[cfg(test)]
mod tests;
