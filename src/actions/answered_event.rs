//! The event that an action answers.

use std::sync::Arc;

use matterhost_actors::model::{AccountName, ChannelId, PostId, ReplyKey, ReplyKeyError, UserId};

/// The length of a generated part of a key: as long as an id, and as unlikely to collide.
const GENERATED_LENGTH: usize = 26;

/// The event that an action answers: it is the default for the action's channel, post and user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredEvent {
    /// The account that received the event, and acts.
    pub account: AccountName,
    /// The sink of the handler.
    pub sink: Arc<str>,
    /// The event's id, which is the same if the event is delivered again.
    pub id: Box<str>,
    /// The event's channel.
    pub channel: ChannelId,
    /// The event's post, or the post that was reacted to.
    pub post: Option<PostId>,
    /// The thread of that post.
    pub thread: ThreadPlace,
    /// The author of the post, or the user who reacted.
    pub author: Option<UserId>,
    /// True for a command, button, menu or dialog: a reply is part of the response while the person waits.
    pub is_hook: bool,
    /// The trigger of the command or button, which opens a dialog.
    pub trigger: Option<Box<str>>,
    /// The creation time of the post in server milliseconds; no answer is older.
    pub create_at: Option<i64>,
}

/// The thread of a post.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThreadPlace {
    /// The root post, if it is known.
    pub root: Option<PostId>,
    /// A post of the thread, if its root is not known.
    pub post: Option<PostId>,
}

impl AnsweredEvent {
    /// Returns the key of an answer that the handler has not given one: the same when the event is delivered again, also
    /// after a kill.
    ///
    /// # Errors
    /// If the event's id cannot be part of a key.
    pub fn numbered_key(&self, index: usize) -> Result<ReplyKey, ReplyKeyError> {
        self.key(&format!("#{index}"))
    }

    /// Returns the key of an answer that is posted whenever it comes.
    ///
    /// # Errors
    /// If the event's id cannot be part of a key.
    pub fn unique_key(&self) -> Result<ReplyKey, ReplyKeyError> {
        let end: String = std::iter::repeat_with(fastrand::alphanumeric).take(GENERATED_LENGTH).collect();
        self.key(&format!("#{end}"))
    }

    /// Returns the key of a reply that the handler gave the key `own`. Handlers need not make it unique among events.
    ///
    /// # Errors
    /// If the key is not valid.
    pub fn own_key(&self, own: &str) -> Result<ReplyKey, ReplyKeyError> {
        // A key of its own must be one by itself, and not only together with the event.
        ReplyKey::new(own)?;
        self.key(&format!("/{own}"))
    }

    fn key(&self, end: &str) -> Result<ReplyKey, ReplyKeyError> {
        Ok(self.answer(ReplyKey::of_answer(&format!("{}#{}{end}", self.id, self.sink))?))
    }

    /// Marks the post with a key as an answer to the event.
    pub fn answer(&self, key: ReplyKey) -> ReplyKey {
        let key = key.into_answer();
        match self.create_at {
            Some(since) => key.with_earliest(since),
            None => key,
        }
    }
}
