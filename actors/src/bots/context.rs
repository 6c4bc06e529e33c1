//! What a handler has besides what was heard: who it is, and a way to answer.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    model::{
        AccountName, ChannelId, Draft, Event, OutgoingAction, PostId, PostedIds, ReplyError, ReplyKey,
        ServerName, UserId,
    },
    ports::Poster,
};

/// What a handler has besides what was heard.
///
/// The posts of one run of a handler are numbered. When the same event comes again, the same number is the same post,
/// and it is not made twice: a handler that asks for the same posts in the same order answers each event once, also
/// across a kill of the process. Where the order may differ, give a [`Draft`] a key of your own.
pub struct Context {
    event: Arc<Event>,
    poster: Arc<dyn Poster>,
    post: Option<PostId>,
    thread: Option<PostId>,
    answers: AtomicUsize,
}

impl Context {
    pub(super) fn new(
        event: Arc<Event>,
        poster: Arc<dyn Poster>,
        (post, thread): (Option<PostId>, Option<PostId>),
    ) -> Self {
        Self { event, poster, post, thread, answers: AtomicUsize::new(0) }
    }

    /// The account that heard it.
    pub fn account(&self) -> &AccountName {
        &self.event.account
    }

    /// The server that said it.
    pub fn server(&self) -> &ServerName {
        &self.event.server
    }

    /// The account's own user.
    pub fn user(&self) -> &UserId {
        &self.event.user.id
    }

    /// The account's name after the @.
    pub fn username(&self) -> &str {
        &self.event.user.name
    }

    /// The channel that it belongs to; empty when it belongs to none.
    pub fn channel(&self) -> &ChannelId {
        &self.event.body.channel_id
    }

    /// Whether it was fetched after a time away instead of heard live: it may be old.
    pub fn is_recovered(&self) -> bool {
        self.event.recovered
    }

    /// The event as it is handed to any sink: the server's own words, and where they came from.
    pub fn event(&self) -> &Arc<Event> {
        &self.event
    }

    /// Answers in the channel.
    ///
    /// # Errors
    /// When it is not posted, or not known to be; see [`ReplyError`].
    pub async fn reply(&self, text: impl Into<String>) -> Result<PostedIds, ReplyError> {
        self.post(Draft { text: text.into(), ..Draft::default() }).await
    }

    /// Answers in the thread of the post, or begins one.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    pub async fn reply_in_thread(&self, text: impl Into<String>) -> Result<PostedIds, ReplyError> {
        let root_id = self.thread.clone();
        self.post(Draft { text: text.into(), root_id, ..Draft::default() }).await
    }

    /// Posts anything anywhere. A channel left empty is the event's own; a key left out is the next of this run.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    pub async fn post(&self, draft: Draft) -> Result<PostedIds, ReplyError> {
        let key = draft.key.clone().unwrap_or_else(|| {
            ReplyKey::for_event(&self.event, self.answers.fetch_add(1, Ordering::Relaxed))
        });
        let draft = self.placed(Draft { key: Some(key), ..draft })?;
        self.speak(OutgoingAction::Post(draft)).await
    }

    /// Shows a text to one user alone. It needs a permission, and may be shown twice.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    pub async fn post_ephemeral(&self, user: &UserId, text: impl Into<String>) -> Result<(), ReplyError> {
        let draft = self.placed(Draft { text: text.into(), ..Draft::default() })?;
        self.speak(OutgoingAction::Ephemeral { user: user.clone(), draft }).await.map(|_| ())
    }

    /// Gives a post of the account's own another text.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    pub async fn edit(&self, post: &PostId, text: impl Into<String>) -> Result<(), ReplyError> {
        self.speak(OutgoingAction::Edit { post: post.clone(), text: text.into() }).await.map(|_| ())
    }

    /// Reacts to the post that the event is about.
    ///
    /// # Errors
    /// As [`reply`](Self::reply); an event that is about no post is [`ReplyError::NoChannel`].
    pub async fn react(&self, emoji: impl Into<String>) -> Result<(), ReplyError> {
        let post = self.post.clone().ok_or(ReplyError::NoChannel)?;
        self.speak(OutgoingAction::React { post, emoji: emoji.into() }).await.map(|_| ())
    }

    /// Shows that the account types, if it can be shown at once.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn send_typing(&self) -> Result<(), ReplyError> {
        let Draft { channel, .. } = self.placed(Draft::default())?;
        self.speak(OutgoingAction::Typing { channel, root_id: None }).await.map(|_| ())
    }

    fn placed(&self, mut draft: Draft) -> Result<Draft, ReplyError> {
        if draft.channel.as_str().is_empty() {
            draft.channel = self.channel().clone();
        }
        if draft.channel.as_str().is_empty() { Err(ReplyError::NoChannel) } else { Ok(draft) }
    }

    async fn speak(&self, action: OutgoingAction) -> Result<PostedIds, ReplyError> {
        self.poster.post(self.account(), action).await
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("event", &self.event).finish_non_exhaustive()
    }
}
