//! The look-ups of a handler.

use std::{collections::HashMap, sync::Arc};

use serde::Deserialize;

use super::Context;
use crate::{
    bots::{Post, User},
    model::{ChannelId, ChannelInfo, Excerpt, FileId, Found, Lookup, PostId, ReplyError, Target, UserRef},
    ports::FileDownload,
};

/// The members of a channel that [`ChannelInfo`] has.
#[derive(Deserialize)]
struct FoundChannel {
    #[serde(rename = "type", default)]
    kind: Box<str>,
    #[serde(default)]
    name: Box<str>,
    #[serde(default)]
    display_name: Box<str>,
    #[serde(default)]
    team_id: Box<str>,
}

/// The members of a list of posts.
#[derive(Deserialize)]
struct FoundPosts {
    #[serde(default)]
    posts: HashMap<PostId, Post>,
}

impl Context {
    /// Looks up a channel, user, thread or the newest posts of a channel, as the account. Channels and users are
    /// remembered for some minutes.
    ///
    /// # Errors
    /// [`ReplyError::NotFound`] if it does not exist or the account may not see it; otherwise as
    /// [`reply`](Self::reply).
    pub async fn look_up(&self, lookup: Lookup) -> Result<Found, ReplyError> {
        self.poster.look_up(self.account(), lookup).await
    }

    /// Returns the id of a channel given by name or of the direct channel with a user, for a [`Draft`](crate::model::Draft).
    ///
    /// # Errors
    /// As [`look_up`](Self::look_up).
    pub async fn find_channel(&self, target: Target) -> Result<ChannelId, ReplyError> {
        self.poster.find_channel(self.account(), target).await
    }

    /// Returns the username, without the `@`, of the [`sender`](Self::sender). Most events bring it; otherwise it is looked
    /// up.
    ///
    /// # Errors
    /// As [`look_up`](Self::look_up); [`ReplyError::NotFound`] if the event has no sender.
    pub async fn sender_name(&self) -> Result<Arc<str>, ReplyError> {
        if let Some(name) = &self.event.sender {
            return Ok(name.clone());
        }
        let Some(sender) = self.sender() else {
            return Err(self.not_found("the sender of the event"));
        };
        Ok(self.find_user(UserRef::Id(sender.clone())).await?.username.into())
    }

    /// Returns a user by name or id.
    ///
    /// # Errors
    /// As [`look_up`](Self::look_up).
    pub async fn find_user(&self, user: UserRef) -> Result<User, ReplyError> {
        self.find(Lookup::User(user)).await
    }

    /// Returns the kind, names and team of the event's channel. Most events bring them; otherwise they are looked up,
    /// without the team's name.
    ///
    /// # Errors
    /// As [`look_up`](Self::look_up); [`ReplyError::NoChannel`] if the event belongs to none.
    pub async fn channel_info(&self) -> Result<Arc<ChannelInfo>, ReplyError> {
        if let Some(info) = &self.event.channel {
            return Ok(info.clone());
        }
        if self.channel().as_str().is_empty() {
            return Err(ReplyError::NoChannel);
        }
        let found: FoundChannel = self.find(Lookup::Channel(Target::Id(self.channel().clone()))).await?;
        let FoundChannel { kind, name, display_name, team_id } = found;
        Ok(Arc::new(ChannelInfo { kind, name, display_name, team_id, ..ChannelInfo::default() }))
    }

    /// Begins to download a file as the account, such as one of a post. The server waits while the pieces are not taken.
    ///
    /// # Errors
    /// As [`look_up`](Self::look_up).
    pub async fn open_file(&self, file: &FileId) -> Result<FileDownload, ReplyError> {
        self.poster.open_file(self.account(), file.clone()).await
    }

    /// Returns the posts of the thread of the event's post, the oldest first.
    ///
    /// # Errors
    /// As [`look_up`](Self::look_up); [`ReplyError::NotFound`] if the event has no post.
    pub async fn thread(&self) -> Result<Vec<Post>, ReplyError> {
        let post = self.post.clone().ok_or_else(|| self.not_found("the post of the event"))?;
        self.find_posts(Lookup::Thread(post)).await
    }

    /// Returns the newest posts of a channel, the oldest of them first: 1 to 200.
    ///
    /// # Errors
    /// As [`look_up`](Self::look_up).
    pub async fn newest_posts(&self, channel: &ChannelId, count: usize) -> Result<Vec<Post>, ReplyError> {
        self.find_posts(Lookup::Posts { channel: channel.clone(), count }).await
    }

    async fn find_posts(&self, lookup: Lookup) -> Result<Vec<Post>, ReplyError> {
        let FoundPosts { posts } = self.find(lookup).await?;
        let mut posts: Vec<Post> = posts.into_values().collect();
        posts.sort_by(|a, b| (a.create_at, a.id.as_str()).cmp(&(b.create_at, b.id.as_str())));
        Ok(posts)
    }

    /// Looks something up and reads the server's JSON.
    async fn find<T: for<'de> Deserialize<'de>>(&self, lookup: Lookup) -> Result<T, ReplyError> {
        let what = Excerpt::of(&lookup);
        let found = self.look_up(lookup).await?;
        serde_json::from_str(found.json().get()).map_err(|error| ReplyError::Refused {
            cause: Excerpt::of(&format_args!("the answer about {what} cannot be read: {error}")),
        })
    }

    fn not_found(&self, what: &str) -> ReplyError {
        ReplyError::NotFound { account: self.account().clone(), what: Excerpt::of(what) }
    }
}
