//! Posting a draft in as many parts as needed, without duplicates.

use tokio::time::{Instant, sleep};

use super::{
    client::{FailedRequest, ReplyClient},
    find_posted::{CLOCK_MARGIN_MS, KEY_PROP, PostedSearch, SPLIT_PROP},
    parts::{PartContent, check_draft, split_draft},
    thread_root::find_root,
    transfers::send_file,
};
use crate::{
    mattermost::{NewPost, Post},
    model::{Attachment, ChannelId, Draft, Fact, PostId, PostedIds, ReplyError, ReplyKey, UserId},
    policy::{BotPost, GiveUpReason, LoopVerdict, ReplyStep, RequestRetry, SentPost, always_fits},
};

/// The length of a generated key: as long as an id, and as unlikely to collide.
const KEY_LENGTH: usize = 26;

/// A post of a draft.
struct Part<'a> {
    client: &'a ReplyClient,
    post: NewPost,
    /// A post of the thread, until its root is known.
    thread_of: Option<PostId>,
    files: &'a [Attachment],
    /// The number of these files that are uploaded.
    uploaded: usize,
    key: String,
    /// The limit at which the text was split, if this is the first of several parts.
    split_at: Option<usize>,
    /// The time, in server milliseconds, before which no post with the key can exist.
    oldest: Option<i64>,
    /// True if the draft has a key, so that it may have been posted before.
    has_given_key: bool,
    /// True if the loop guard counts this part: a text in several parts is one reply.
    counts: bool,
    is_answer: bool,
    me: UserId,
    deadline: Instant,
}

/// The reason why a step failed.
enum StepError {
    FailedRequest(FailedRequest),
    Error(ReplyError),
}

impl From<FailedRequest> for StepError {
    fn from(failed: FailedRequest) -> Self {
        Self::FailedRequest(failed)
    }
}

/// Posts a draft and returns the ids of its parts.
pub(super) async fn post(
    client: &ReplyClient,
    draft: Draft,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    let limits = client.limits_for(&draft.text, &draft.files, deadline).await;
    check_draft(&draft, limits)?;
    let me = client
        .own_user_id(deadline)
        .await
        .map_err(|failed| client.reply_error(GiveUpReason::TimedOut { maybe_done: false }, failed))?;
    let (key, has_given_key) = match &draft.key {
        Some(key) => (key.as_str().to_owned(), true),
        None => (generated(), false),
    };
    let oldest = match &draft.key {
        Some(key) => key.earliest(),
        None => newest_time(client),
    };
    let search = PostedSearch { client, channel: &draft.channel, me: &me, oldest, deadline };
    let may_have_parts = has_given_key && !always_fits(&draft.text);
    let earlier = if may_have_parts { find_earlier_limit(&search, &key).await? } else { None };
    let limit = earlier.unwrap_or(limits.post_chars);
    let parts = split_draft(&draft, limit)?;
    let split_at = (parts.len() > 1).then_some(limit);
    let mut ids = Vec::with_capacity(parts.len());
    for (n, PartContent { text, props, files, file_ids }) in parts.into_iter().enumerate() {
        let part = Part {
            client,
            key: part_key(&key, n),
            post: NewPost {
                channel_id: draft.channel.clone(),
                message: text,
                root_id: draft.root_id.clone(),
                props,
                file_ids: file_ids.to_vec(),
                ..NewPost::default()
            },
            thread_of: draft.thread_of.clone(),
            files,
            uploaded: 0,
            split_at: split_at.filter(|_| n == 0),
            oldest,
            has_given_key,
            counts: n == 0,
            is_answer: draft.key.as_ref().is_some_and(ReplyKey::is_answer),
            me: me.clone(),
            deadline,
        };
        ids.push(part.post_once().await?);
    }
    Ok(PostedIds { ids, ..PostedIds::default() })
}

/// Posts the `n`th part of a text that replaces that of the post with a key, in the same place.
pub(super) async fn post_part(
    client: &ReplyClient,
    key: &ReplyKey,
    n: usize,
    post: NewPost,
    deadline: Instant,
) -> Result<PostId, ReplyError> {
    let me = client
        .own_user_id(deadline)
        .await
        .map_err(|failed| client.reply_error(GiveUpReason::TimedOut { maybe_done: false }, failed))?;
    let key_of_part = part_key(key.as_str(), n);
    // One with the same key may have been deleted a moment ago; the server would take this one for it (fact 19).
    let post = NewPost { pending_post_id: format!("{me}:{key_of_part}:{}", generated()), ..post };
    let part = Part {
        client,
        post,
        thread_of: None,
        files: &[],
        uploaded: 0,
        key: key_of_part,
        split_at: None,
        oldest: key.earliest(),
        has_given_key: true,
        counts: false,
        is_answer: key.is_answer(),
        me,
        deadline,
    };
    part.post_once().await
}

/// Returns the limit at which an earlier attempt split the text, or one that splits nothing if it posted the whole text.
async fn find_earlier_limit(search: &PostedSearch<'_>, key: &str) -> Result<Option<usize>, ReplyError> {
    let client = search.client;
    let find = || {
        let sent = client.sent.borrow();
        let has_second = || sent.find(search.channel, &part_key(key, 1)).is_some();
        sent.find(search.channel, key)?.split_at.or_else(|| (!has_second()).then_some(usize::MAX))
    };
    if find().is_none() {
        search_if_needed(search).await?;
    }
    Ok(find())
}

/// Returns the post of the `n`th part of what was made in the channel with a key.
pub(super) async fn find_by_key(
    client: &ReplyClient,
    channel: &ChannelId,
    (key, n): (&ReplyKey, usize),
    deadline: Instant,
) -> Result<Option<PostId>, ReplyError> {
    let key_of_part = part_key(key.as_str(), n);
    let find = || client.sent.borrow().find(channel, &key_of_part).map(|post| post.id.clone());
    if let Some(known) = find() {
        return Ok(Some(known));
    }
    let timed_out = |failed| client.reply_error(GiveUpReason::TimedOut { maybe_done: false }, failed);
    let me = client.own_user_id(deadline).await.map_err(timed_out)?;
    search_if_needed(&PostedSearch { client, channel, me: &me, oldest: key.earliest(), deadline }).await?;
    Ok(find())
}

/// Searches the channel for posts with unknown keys, if there may be some, with retries until the deadline.
async fn search_if_needed(search: &PostedSearch<'_>) -> Result<(), ReplyError> {
    let client = search.client;
    let mut retry = RequestRetry::idempotent(search.deadline.into_std());
    if client.sent.borrow().may_contain(search.channel, search.oldest) {
        while let Err(failed) = search.run().await {
            wait_before_retry(client, &mut retry, ReplyStep::Search, failed).await?;
        }
    }
    Ok(())
}

/// Returns a text that nothing else has.
fn generated() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(KEY_LENGTH).collect()
}

/// Returns the key of the `n`th part, from 0. No other post of the channel has it, because a key has no white space.
pub(super) fn part_key(key: &str, n: usize) -> String {
    if n == 0 { key.to_owned() } else { format!("{key} {}", n + 1) }
}

/// Returns the time of the newest event received, less a margin: later posts are not older.
fn newest_time(client: &ReplyClient) -> Option<i64> {
    let time = client.context().replay.with(|replay| replay.account().server_time);
    (time > 0).then(|| time.saturating_sub(CLOCK_MARGIN_MS))
}

impl Part<'_> {
    fn channel(&self) -> &ChannelId {
        &self.post.channel_id
    }

    fn known_id(&self) -> Option<PostId> {
        self.client.sent.borrow().find(self.channel(), &self.key).map(|post| post.id.clone())
    }

    /// Makes the post unless it was made before.
    async fn post_once(mut self) -> Result<PostId, ReplyError> {
        if let Some(known) = self.known_id() {
            return Ok(known);
        }
        if self.post.pending_post_id.is_empty() {
            // The server knows a post by it in all channels of the user (fact 19).
            self.post.pending_post_id = format!("{}:{}:{}", self.me, self.channel(), self.key);
        }
        self.post.props.insert(KEY_PROP.into(), self.key.clone().into());
        if let Some(limit) = self.split_at {
            self.post.props.insert(SPLIT_PROP.into(), limit.to_string().into());
        }
        let may_exist =
            self.has_given_key && self.client.sent.borrow().may_contain(self.channel(), self.oldest);
        let mut retry = RequestRetry::at_most_once(self.deadline.into_std(), may_exist);
        let mut counted = false;
        let result = self.post_until_done(&mut retry, &mut counted).await;
        if result.is_err() && retry.is_maybe_done() {
            // The next attempt with the key must look for the post.
            self.client.sent.borrow_mut().may_have_posted(self.channel());
        } else if result.is_err() && counted {
            self.client.context().loop_guard.undo_post(self.channel());
        }
        result
    }

    async fn post_until_done(
        &mut self,
        retry: &mut RequestRetry,
        counted: &mut bool,
    ) -> Result<PostId, ReplyError> {
        loop {
            let step = retry.next_step();
            let result = match step {
                ReplyStep::Search => self.search().await,
                ReplyStep::Send => self.send(counted).await.map(Some),
            };
            match result {
                Ok(Some(id)) => return Ok(id),
                Ok(None) => retry.not_found(),
                Err(StepError::Error(error)) => return Err(error),
                Err(StepError::FailedRequest(failed)) => {
                    wait_before_retry(self.client, retry, step, failed).await?;
                }
            }
        }
    }

    async fn search(&self) -> Result<Option<PostId>, StepError> {
        let (client, channel, me) = (self.client, self.channel(), &self.me);
        PostedSearch { client, channel, me, oldest: self.oldest, deadline: self.deadline }.run().await?;
        Ok(self.known_id())
    }

    async fn send(&mut self, counted: &mut bool) -> Result<PostId, StepError> {
        if self.counts && !*counted {
            self.count_post()?;
            *counted = true;
        }
        if let Some(post) = self.thread_of.clone() {
            self.post.root_id = find_root(self.client, &post, self.deadline).await?;
            self.thread_of = None;
            self.report_missing_thread(&post);
        }
        self.upload().await?;
        let created = match self.create().await {
            Err(failed) if failed.is_invalid_root() && self.post.root_id.is_some() => {
                self.correct_root().await?;
                self.create().await?
            }
            created => created?,
        };
        self.client.context().loop_guard.post_made(self.channel(), created.create_at);
        let post = SentPost { id: created.id.clone(), split_at: self.split_at };
        self.client.sent.borrow_mut().insert(self.channel(), &self.key, post);
        Ok(created.id)
    }

    async fn create(&self) -> Result<Post, FailedRequest> {
        let post = &self.post;
        self.client.request(self.deadline, async |api, token| api.create_post(token, post).await).await
    }

    /// Replaces a root that the server refused by that of the post's thread. If the thread is gone, the post goes to the
    /// channel.
    async fn correct_root(&mut self) -> Result<(), FailedRequest> {
        let Some(refused) = self.post.root_id.clone() else { return Ok(()) };
        let found = find_root(self.client, &refused, self.deadline).await?;
        self.post.root_id = found.filter(|root| *root != refused);
        self.report_missing_thread(&refused);
        Ok(())
    }

    fn report_missing_thread(&self, root: &PostId) {
        if self.post.root_id.is_none() {
            self.client.observe(Fact::ThreadGone { channel: self.channel().clone(), root: root.clone() });
        }
    }

    /// Counts the post with the loop guard, or fails if the guard refuses it.
    fn count_post(&self) -> Result<(), StepError> {
        let context = self.client.context();
        let post = BotPost {
            channel: self.channel(),
            bot: &self.me,
            is_answer: self.is_answer,
            answers_at: self.oldest.filter(|_| self.is_answer),
        };
        let LoopVerdict::Refuse { first } = context.loop_guard.count_post(&post) else {
            return Ok(());
        };
        let (channel, limit) = (self.channel().clone(), context.loop_guard.limit());
        if first {
            self.client.observe(Fact::LoopStopped { channel: channel.clone(), limit });
        }
        Err(StepError::Error(ReplyError::LoopGuard { channel, limit }))
    }

    /// Uploads the files. Files uploaded before a failure are not uploaded again.
    async fn upload(&mut self) -> Result<(), StepError> {
        while let Some(file) = self.files.get(self.uploaded) {
            let sent = send_file(self.client, self.channel(), file, self.deadline).await;
            self.post.file_ids.push(sent.map_err(StepError::Error)??);
            self.uploaded += 1;
        }
        Ok(())
    }
}

/// Waits before the next attempt after a failed step.
///
/// # Errors
/// The error for the caller if no further attempt is made.
pub(super) async fn wait_before_retry(
    client: &ReplyClient,
    retry: &mut RequestRetry,
    step: ReplyStep,
    failed: FailedRequest,
) -> Result<(), ReplyError> {
    if failed.is_final() {
        return Err(client.reply_error(retry.timed_out(), failed));
    }
    match retry.failed(Instant::now().into_std(), step, failed.failure) {
        Ok(after) => {
            sleep(after).await;
            Ok(())
        }
        Err(gave_up) => Err(client.reply_error(gave_up, failed)),
    }
}
