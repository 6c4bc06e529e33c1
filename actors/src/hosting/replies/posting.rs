//! A post, in as many parts as it takes, each of them once.

use tokio::time::{Instant, sleep};

use super::{
    client::{FailedRequest, ReplyClient},
    find_posted::{CLOCK_MARGIN_MS, KEY_PROP, PostedSearch},
};
use crate::{
    mattermost::{FileId, NewFile, NewPost},
    model::{Attachment, ChannelId, Draft, Fact, PostId, PostedIds, ReplyError, ReplyKey, UserId},
    policy::{GiveUpReason, LoopVerdict, MAX_TEXT_CHARS, ReplyStep, RequestRetry, split_text},
};

/// The most files of one post: the server takes no more.
const MOST_FILES: usize = 10;

/// The length of a key that is made: as long as an id, and as unlikely to come twice.
const KEY_LENGTH: usize = 26;

/// One post of a reply.
struct Part<'a> {
    client: &'a ReplyClient,
    post: NewPost,
    files: &'a [Attachment],
    key: String,
    /// No post with the key is older, in server milliseconds.
    oldest: Option<i64>,
    /// Whether the key was given: then it may have been posted before.
    given: bool,
    /// Whether the loop guard counts it: a text in many parts is one reply.
    counts: bool,
    is_answer: bool,
    me: UserId,
    deadline: Instant,
}

/// Why a step failed.
enum StepError {
    FailedRequest(FailedRequest),
    Error(ReplyError),
}

impl From<FailedRequest> for StepError {
    fn from(failed: FailedRequest) -> Self {
        Self::FailedRequest(failed)
    }
}

/// Posts a draft.
pub(super) async fn post(
    client: &ReplyClient,
    draft: Draft,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    let texts = checked(&draft)?;
    let me = client
        .own_user_id(deadline)
        .await
        .map_err(|failed| client.reply_error(GiveUpReason::TimedOut { maybe_done: false }, failed))?;
    let (key, given) = match &draft.key {
        Some(key) => (key.as_str().to_owned(), true),
        None => (std::iter::repeat_with(fastrand::alphanumeric).take(KEY_LENGTH).collect(), false),
    };
    let oldest = match &draft.key {
        Some(key) => key.earliest(),
        None => newest_time(client),
    };
    let mut ids = Vec::with_capacity(texts.len());
    let last = texts.len() - 1;
    for (n, text) in texts.into_iter().enumerate() {
        let part = Part {
            client,
            key: if n == 0 { key.clone() } else { format!("{key}/{}", n + 1) },
            post: NewPost {
                channel_id: draft.channel.clone(),
                message: text,
                root_id: draft.root_id.clone(),
                props: draft.props.clone(),
                ..NewPost::default()
            },
            files: if n == last { &draft.files } else { &[] },
            oldest,
            given,
            counts: n == 0,
            is_answer: draft.key.as_ref().is_some_and(ReplyKey::is_answer),
            me: me.clone(),
            deadline,
        };
        ids.push(part.post_once().await?);
    }
    Ok(PostedIds { ids })
}

/// The texts of the parts, if it can be posted at all.
fn checked(draft: &Draft) -> Result<Vec<String>, ReplyError> {
    let attachments = draft.props.contains_key("attachments");
    if draft.text.trim().is_empty() && draft.files.is_empty() && !attachments {
        return Err(ReplyError::Empty);
    }
    if draft.files.len() > MOST_FILES {
        return Err(ReplyError::TooManyFiles { files: draft.files.len(), limit: MOST_FILES });
    }
    let too_long = |characters| ReplyError::TooLong { characters, limit: MAX_TEXT_CHARS };
    split_text(&draft.text).map_err(|long| too_long(long.characters))
}

/// What is posted from now on is not older than the newest that was seen.
fn newest_time(client: &ReplyClient) -> Option<i64> {
    let time = client.context().replay.with(|replay| replay.account().server_time);
    (time > 0).then(|| time.saturating_sub(CLOCK_MARGIN_MS))
}

impl Part<'_> {
    fn channel(&self) -> &ChannelId {
        &self.post.channel_id
    }

    fn known(&self) -> Option<PostId> {
        self.client.sent.borrow().find(&self.key).cloned()
    }

    /// Posts it, unless that was done before.
    async fn post_once(mut self) -> Result<PostId, ReplyError> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        self.post.pending_post_id = format!("{}:{}", self.me, self.key);
        self.post.props.insert(KEY_PROP.into(), self.key.clone().into());
        let before = self.given && self.client.sent.borrow().may_contain(self.channel(), self.oldest);
        let mut retry = RequestRetry::at_most_once(self.deadline.into_std(), before);
        let mut counted = false;
        let result = self.until_done(&mut retry, &mut counted).await;
        if counted && matches!(&result, Err(error) if !is_maybe_done(error)) {
            self.client.context().loop_guard.undo_post(self.channel());
        }
        result
    }

    async fn until_done(
        &mut self,
        retry: &mut RequestRetry,
        counted: &mut bool,
    ) -> Result<PostId, ReplyError> {
        loop {
            let step = retry.next_step();
            let done = match step {
                ReplyStep::Search => self.search().await,
                ReplyStep::Send => self.send(counted).await.map(Some),
            };
            match done {
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
        Ok(self.known())
    }

    async fn send(&mut self, counted: &mut bool) -> Result<PostId, StepError> {
        if self.counts && !*counted {
            self.count()?;
            *counted = true;
        }
        if self.post.file_ids.len() < self.files.len() {
            self.upload().await?;
        }
        let post = &self.post;
        let made =
            self.client.request(self.deadline, async |api, token| api.create_post(token, post).await).await?;
        self.client.sent.borrow_mut().insert(self.channel(), &self.key, made.id.clone());
        Ok(made.id)
    }

    fn count(&self) -> Result<(), StepError> {
        let context = self.client.context();
        let LoopVerdict::Refuse { first } =
            context.loop_guard.count_post(self.channel(), &self.me, self.is_answer)
        else {
            return Ok(());
        };
        let (channel, limit) = (self.channel().clone(), context.loop_guard.limit());
        if first {
            self.client.observe(Fact::LoopStopped { channel: channel.clone(), limit });
        }
        Err(StepError::Error(ReplyError::LoopGuard { channel, limit }))
    }

    /// Takes the files to the server. What was taken before a setback is not taken again.
    async fn upload(&mut self) -> Result<(), StepError> {
        let limit = self.max_file_size().await?;
        if let Some(file) = self.files.iter().find(|file| file.bytes.len() as u64 > limit) {
            let (name, bytes) = (file.name.clone(), file.bytes.len());
            return Err(StepError::Error(ReplyError::FileTooLarge { name, bytes, limit }));
        }
        while let Some(file) = self.files.get(self.post.file_ids.len()) {
            let new = NewFile { channel: self.channel(), name: &file.name, bytes: &file.bytes };
            let id: Result<FileId, FailedRequest> = self
                .client
                .request(self.deadline, async |api, token| api.upload_file(token, new).await)
                .await;
            // A file that no post names is nobody's: it may be taken twice.
            self.post.file_ids.push(id.map_err(FailedRequest::into_retryable)?);
        }
        Ok(())
    }

    async fn max_file_size(&self) -> Result<u64, FailedRequest> {
        if let Some(limit) = self.client.max_file_size.get() {
            return Ok(limit);
        }
        let asked = self.client.request(self.deadline, async |api, token| api.max_file_size(token).await);
        let limit = asked.await.map_err(FailedRequest::into_retryable)?;
        self.client.max_file_size.set(Some(limit));
        Ok(limit)
    }
}

fn is_maybe_done(error: &ReplyError) -> bool {
    matches!(error, ReplyError::TimedOut { maybe_done: true, .. })
}

/// Waits for the next step after one that failed, if there is one.
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
