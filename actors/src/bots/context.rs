mod answering;
mod finding;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{
    event::{BotEvent, Thread},
    schedules::Run,
    storage::Storage,
};
use crate::{
    model::{
        AccountName, Attachment, BotName, ChannelId, Draft, Event, Excerpt, OutgoingAction, PostId,
        PostedIds, ReplyError, ReplyKey, ReplyKeyError, ServerName, Target, TargetError, UserId,
    },
    policy::AnswerPosts,
    ports::{EventStorage, Poster},
};

/// The milliseconds by which this machine's clock may be ahead of the server's.
const CLOCK_MARGIN_MS: i64 = 600_000;

/// The surroundings of one event: its account, its origin, and the means to reply.
///
/// The posts that a handler makes for an event are numbered. When the event is delivered again, a post with the same
/// number is the same post and is not created twice. A handler that makes the same posts in the same order therefore
/// replies to each event once, even if the process is killed. If the order may differ, give each [`Draft`] a
/// [`key`](Context::key). A clone continues the same numbers.
///
/// An event has at most [`MAX_POSTS_PER_EVENT`](crate::model::MAX_POSTS_PER_EVENT) posts, whatever their channel; a further one is
/// [`ReplyError::TooManyPosts`]. A post that fails, or is repeated with its key, does not count, nor do edits, updates and reactions.
/// The run of a schedule answers no event, and has no such limit.
#[derive(Clone)]
pub struct Context {
    event: Arc<Event>,
    poster: Arc<dyn Poster>,
    post: Option<PostId>,
    thread: Thread,
    sender: Option<UserId>,
    /// The time of the action, in milliseconds of server time, if the event has it.
    acted_at: Option<i64>,
    is_scheduled: bool,
    /// True for a slash command, button or dialog.
    is_hook: bool,
    /// Opens a dialog.
    trigger: Option<Box<str>>,
    storage: EventStorage,
    /// The name of the bot, if it is one of several of the account.
    bot: Option<BotName>,
    next_reply: Arc<AtomicUsize>,
    /// The posts that count; none count in the run of a schedule.
    posts: Option<Arc<Mutex<AnswerPosts>>>,
}

impl Context {
    pub(super) fn new(
        event: Arc<Event>,
        poster: Arc<dyn Poster>,
        storage: EventStorage,
        bot_event: &BotEvent,
        bot: Option<BotName>,
    ) -> Self {
        let (post, thread) = bot_event.post_and_thread();
        let (sender, acted_at) = bot_event.sender_and_time();
        Self {
            event,
            poster,
            post,
            thread,
            sender,
            acted_at,
            is_scheduled: false,
            is_hook: bot_event.is_hook(),
            trigger: bot_event.trigger(),
            storage,
            bot,
            next_reply: Arc::default(),
            posts: Some(Arc::default()),
        }
    }

    /// Returns the context of a schedule's run. Its event is made up, and names the run.
    pub(super) fn for_run(
        account: &AccountName,
        server: &ServerName,
        run: &Run,
        poster: Arc<dyn Poster>,
        bot: Option<BotName>,
    ) -> Self {
        let event = Arc::new(run.to_event(account, server));
        let mut context = Self::new(event, poster, EventStorage::unavailable(), &BotEvent::Raw, bot);
        context.acted_at = Some(run.due);
        context.is_scheduled = true;
        context.posts = None;
        context
    }

    /// Returns the account that received the event.
    pub fn account(&self) -> &AccountName {
        &self.event.account
    }

    /// Returns the server that sent the event.
    pub fn server(&self) -> &ServerName {
        &self.event.server
    }

    /// Returns the id of the account's own user.
    pub fn user(&self) -> &UserId {
        &self.event.user.id
    }

    /// Returns the account's username, without the `@`.
    pub fn username(&self) -> &str {
        &self.event.user.name
    }

    /// Returns the event's channel; empty if the event belongs to none.
    pub fn channel(&self) -> &ChannelId {
        &self.event.body.channel_id
    }

    /// Returns the author of the event's post, the user who reacted, the one who joined, or the person who ran the slash command,
    /// pressed the button or sent the dialog.
    pub fn sender(&self) -> Option<&UserId> {
        self.sender.as_ref()
    }

    /// Returns the time of the event in milliseconds of server time; that of its receipt if it names none.
    pub fn event_time(&self) -> i64 {
        let received = || self.event.received_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let named = self.acted_at.filter(|at| *at > 0);
        named.unwrap_or_else(|| i64::try_from(received()).unwrap_or(i64::MAX))
    }

    /// Returns the time from the event to its receipt: it is long for one that was fetched after an outage. The clocks of the
    /// server and of this machine are taken to agree.
    pub fn age(&self) -> Duration {
        let at = UNIX_EPOCH + Duration::from_millis(self.event_time().try_into().unwrap_or_default());
        self.event.received_at.duration_since(at).unwrap_or_default()
    }

    /// True if the event was fetched after an outage instead of received live: it may be old.
    pub fn is_recovered(&self) -> bool {
        self.event.recovered
    }

    /// Returns the event as every sink receives it, with the server's JSON.
    pub fn event(&self) -> &Arc<Event> {
        &self.event
    }

    /// Returns the values that the bot keeps for the event's channel. The run of a schedule has none.
    pub fn storage(&self) -> Storage {
        Storage { values: self.storage.clone(), bot: self.bot.clone() }
    }

    /// Returns the key of a post that is yours to name, such as `answer`: it is the same when the event is delivered again, and
    /// belongs to this event and this bot alone. Give it to a [`Draft`], and to [`update`](Self::update).
    ///
    /// # Errors
    /// If the name is empty or too long, or contains white space or control characters.
    pub fn key(&self, name: &str) -> Result<ReplyKey, ReplyKeyError> {
        ReplyKey::own_for_event(&self.event, self.bot.as_ref(), name).map(|key| self.as_made_here(key))
    }

    /// Posts a text in the event's channel. For a slash command it is the answer, which everyone there sees.
    ///
    /// # Errors
    /// If the text is not posted, or may not have been; see [`ReplyError`].
    pub async fn reply(&self, text: impl Into<String>) -> Result<PostedIds, ReplyError> {
        self.post(self.as_answer(Draft { text: text.into(), ..Draft::default() })).await
    }

    /// Posts a text in the thread of the event's post, and starts that thread if there is none.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    pub async fn reply_in_thread(&self, text: impl Into<String>) -> Result<PostedIds, ReplyError> {
        let Thread { root_id, thread_of } = self.thread.clone();
        let draft = Draft { text: text.into(), root_id, thread_of, ..Draft::default() };
        self.post(self.as_answer(draft)).await
    }

    /// Posts a draft. An empty channel means the event's own; without a key, the draft gets the event's next one.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    pub async fn post(&self, draft: Draft) -> Result<PostedIds, ReplyError> {
        let key = draft.key.clone().unwrap_or_else(|| self.next_key());
        let draft = self.with_channel(Draft { key: Some(key), ..draft })?;
        self.submit(OutgoingAction::Post(draft)).await
    }

    /// Shows a text to one user only. The server requires a permission for it, and the text may be shown twice.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    pub async fn post_ephemeral(&self, user: &UserId, text: impl Into<String>) -> Result<(), ReplyError> {
        let draft = self.with_channel(Draft { text: text.into(), ..Draft::default() })?;
        self.submit(OutgoingAction::Ephemeral { user: user.clone(), draft }).await.map(|_| ())
    }

    /// Replaces the text of a post that the account made.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    pub async fn edit(&self, post: &PostId, text: impl Into<String>) -> Result<(), ReplyError> {
        self.submit(OutgoingAction::Edit { post: post.clone(), text: text.into(), props: None })
            .await
            .map(|_| ())
    }

    /// Replaces the text of the post that was made with a key in the event's channel, and waits until the text is shown or a
    /// later one replaces it. For an answer that grows, call [`update_soon`](Self::update_soon), and this for its last text.
    ///
    /// # Errors
    /// [`ReplyError::NotFound`] if there is no such post; otherwise as [`reply`](Self::reply).
    pub async fn update(&self, key: &ReplyKey, text: impl Into<String>) -> Result<(), ReplyError> {
        self.update_post(key, text.into(), true).await
    }

    /// Replaces the text of the post that was made with a key in the event's channel, without waiting until it is shown. Call
    /// it as often as you like: only the newest text is sent, at most twice a second.
    ///
    /// # Errors
    /// As [`reply`](Self::reply), as far as known at once.
    pub async fn update_soon(&self, key: &ReplyKey, text: impl Into<String>) -> Result<(), ReplyError> {
        self.update_post(key, text.into(), false).await
    }

    async fn update_post(&self, key: &ReplyKey, text: String, wait: bool) -> Result<(), ReplyError> {
        let Draft { channel, .. } = self.with_channel(Draft::default())?;
        let update = OutgoingAction::Update { channel, key: key.clone(), text, wait };
        self.submit(update).await.map(|_| ())
    }

    /// Adds a reaction to the event's post.
    ///
    /// # Errors
    /// As [`reply`](Self::reply); [`ReplyError::NoChannel`] if the event has no post.
    pub async fn react(&self, emoji: impl Into<String>) -> Result<(), ReplyError> {
        let post = self.post.clone().ok_or(ReplyError::NoChannel)?;
        self.submit(OutgoingAction::React { post, emoji: emoji.into() }).await.map(|_| ())
    }

    /// Removes the account's reaction from the event's post.
    ///
    /// # Errors
    /// As [`react`](Self::react).
    pub async fn unreact(&self, emoji: impl Into<String>) -> Result<(), ReplyError> {
        let post = self.post.clone().ok_or(ReplyError::NoChannel)?;
        self.submit(OutgoingAction::Unreact { post, emoji: emoji.into() }).await.map(|_| ())
    }

    /// Deletes a post that the account may delete. A post that is gone already counts as deleted.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    pub async fn delete(&self, post: &PostId) -> Result<(), ReplyError> {
        self.submit(OutgoingAction::Delete { post: post.clone() }).await.map(|_| ())
    }

    /// Posts a text in a channel that is given as a [`Target`] is written: `team/channel`, `@user` or an id.
    ///
    /// # Errors
    /// As [`reply`](Self::reply); [`ReplyError::Refused`] if it is no target.
    pub async fn post_to(&self, target: &str, text: impl Into<String>) -> Result<PostedIds, ReplyError> {
        let refused = |error| ReplyError::Refused { cause: Excerpt::of(&error) };
        let target: Target = target.parse().map_err(|error: TargetError| refused(error))?;
        let channel = self.find_channel(target).await?;
        self.post(Draft { channel, text: text.into(), ..Draft::default() }).await
    }

    /// Posts a file in the event's channel, with a text.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    pub async fn upload(
        &self,
        name: impl Into<String>,
        bytes: impl Into<Bytes>,
        text: impl Into<String>,
    ) -> Result<PostedIds, ReplyError> {
        let files = vec![Attachment { name: name.into(), bytes: bytes.into().into() }];
        self.post(Draft { text: text.into(), files, ..Draft::default() }).await
    }

    /// Shows that the account is typing. Skipped without an error if that is not possible at once.
    ///
    /// # Errors
    /// If the server refuses the request.
    pub async fn send_typing(&self) -> Result<(), ReplyError> {
        let Draft { channel, .. } = self.with_channel(Draft::default())?;
        self.submit(OutgoingAction::Typing { channel, root_id: None }).await.map(|_| ())
    }

    /// Returns the key of the next post.
    fn next_key(&self) -> ReplyKey {
        let n = self.next_reply.fetch_add(1, Ordering::Relaxed);
        self.as_made_here(match &self.bot {
            Some(bot) => ReplyKey::for_bot(&self.event, bot, n),
            None => ReplyKey::for_event(&self.event, n),
        })
    }

    /// Marks a key as that of a post which no event calls for, in the run of a schedule.
    fn as_made_here(&self, key: ReplyKey) -> ReplyKey {
        if self.is_scheduled {
            key.into_announcement().with_earliest(self.event_time().saturating_sub(CLOCK_MARGIN_MS))
        } else {
            key
        }
    }

    fn with_channel(&self, mut draft: Draft) -> Result<Draft, ReplyError> {
        if draft.channel.as_str().is_empty() {
            draft.channel = self.channel().clone();
        }
        if draft.channel.as_str().is_empty() { Err(ReplyError::NoChannel) } else { Ok(draft) }
    }

    async fn submit(&self, action: OutgoingAction) -> Result<PostedIds, ReplyError> {
        let counted = self.posts.as_ref().map(|posts| posts.lock().count(&action)).transpose()?.flatten();
        let posted = self.poster.post(self.account(), action).await;
        if let (Err(_), Some(posts), Some(post)) = (&posted, &self.posts, counted) {
            posts.lock().forget(&post);
        }
        posted
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("event", &self.event).finish_non_exhaustive()
    }
}
