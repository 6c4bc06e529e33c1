//! What a bot says, and what became of it.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{AccountName, AccountState, Change, ChannelId, Event, PostId, UserId};

/// The longest key, in bytes. It is a member of the post and of the request that makes it; an event's id and a number
/// and a sink's name fit.
const MAX_KEY_BYTES: usize = 256;

/// One thing that an account is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum OutgoingAction {
    /// Post.
    Post(Draft),
    /// Post what one user alone sees and nobody keeps. The server wants a permission for it.
    Ephemeral {
        /// Who sees it.
        user: UserId,
        /// What. Files and the key are left out: it is shown again when an answer of the server is lost.
        draft: Draft,
    },
    /// Give a post of the account's own another text.
    Edit {
        /// The post.
        post: PostId,
        /// Its new text.
        text: String,
    },
    /// React to a post.
    React {
        /// The post.
        post: PostId,
        /// The emoji's name, without colons.
        emoji: String,
    },
    /// Show that the account types. It is tried once, and dropped where it cannot be shown at once.
    Typing {
        /// Where.
        channel: ChannelId,
        /// In which thread.
        root_id: Option<PostId>,
    },
}

/// A post that is to be made. What is left out by `..Draft::default()` is empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Draft {
    /// Where.
    pub channel: ChannelId,
    /// The text. What is longer than a post may be becomes several, cut between words.
    pub text: String,
    /// The first post of the thread that it belongs to.
    pub root_id: Option<PostId>,
    /// Properties of the post, such as `attachments`.
    pub props: Map<String, Value>,
    /// Files, shown below the last part of the text.
    pub files: Vec<Attachment>,
    /// What tells that it was posted already. Without one it is posted each time that somebody asks.
    pub key: Option<ReplyKey>,
}

/// A file that goes with a post.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub bytes: Bytes,
}

/// Names a reply for ever: what has the same key is posted once, whoever asks again and however late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyKey {
    text: Arc<str>,
    since: Option<i64>,
    answers: bool,
}

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a key is 1 to {MAX_KEY_BYTES} bytes without white space, such as an event's id; this one has {bytes}"
)]
pub struct ReplyKeyError {
    bytes: usize,
}

impl ReplyKey {
    /// A key that the caller makes. Posts with it are looked for among the newest of the channel.
    ///
    /// # Errors
    /// When it is empty, too long, or holds white space or control characters.
    pub fn new(text: &str) -> Result<Self, ReplyKeyError> {
        let visible = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        let is_key = visible && (1..=MAX_KEY_BYTES).contains(&text.len());
        if is_key {
            Ok(Self { text: text.into(), since: None, answers: false })
        } else {
            Err(ReplyKeyError { bytes: text.len() })
        }
    }

    /// The key of the `n`th answer to an event: the same when the event comes again. It counts as an answer to the loop
    /// guard.
    pub fn for_event(event: &Event, n: usize) -> Self {
        let since = match &event.body.change {
            Some(Change::Posted(post)) => Some(post.create_at),
            Some(Change::Edited { edit_at, .. }) => Some(*edit_at),
            Some(Change::Deleted { .. } | Change::Left) | None => None,
        };
        let id = event.id();
        Self { text: format!("{id}#{n}").into(), since, answers: true }
    }

    /// The same key, of an answer to an event: the loop guard counts it, and may refuse it.
    #[must_use]
    pub fn into_answer(self) -> Self {
        Self { answers: true, ..self }
    }

    /// The same key; no post with it is older than this, in server milliseconds.
    #[must_use]
    pub fn with_earliest(self, server_ms: i64) -> Self {
        Self { since: Some(server_ms), ..self }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// No post with this key is older, in server milliseconds.
    pub fn earliest(&self) -> Option<i64> {
        self.since
    }

    /// Whether it is an answer to an event: then the loop guard may refuse it.
    pub fn is_answer(&self) -> bool {
        self.answers
    }
}

/// What was posted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostedIds {
    /// The posts, in order: more than one where the text was too long for one, none where nothing was posted.
    pub ids: Vec<PostId>,
}

/// Why a reply was not made, or is not known to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// No such account.
    #[error("there is no account {0}")]
    UnknownAccount(AccountName),
    /// The account is stopped.
    #[error("account {0} is stopped; start it first")]
    Stopped(AccountName),
    /// There is nothing to post.
    #[error("there is nothing to post: the text is empty, and there is no file")]
    Empty,
    /// The event belongs to no channel, so that there is nowhere to answer.
    #[error("the event belongs to no channel; name one")]
    NoChannel,
    /// The text is too long, also in parts.
    #[error("the text has {characters} characters; at most {limit} can be posted, put it into a file")]
    TooLong {
        /// How long it is.
        characters: usize,
        /// How long it may be.
        limit: usize,
    },
    /// There are too many files.
    #[error("{files} files are too many for a post; it takes {limit}")]
    TooManyFiles {
        /// How many there are.
        files: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A file is larger than the server takes.
    #[error("file {name:?} has {bytes} bytes; the server takes {limit}")]
    FileTooLarge {
        /// Its name.
        name: String,
        /// Its size.
        bytes: usize,
        /// The server's limit, in bytes.
        limit: u64,
    },
    /// Too much waits for this account already.
    #[error("too much waits for account {account} already ({limit}); ask again later")]
    QueueFull {
        /// The account.
        account: AccountName,
        /// What the limit is.
        limit: &'static str,
    },
    /// It could not be done in time.
    #[error("account {account} could not do it within {} s, being {state}: {cause}{}", .waited.as_secs(), doubt(*.maybe_done))]
    TimedOut {
        /// The account.
        account: AccountName,
        /// The state that it was in at the end.
        state: AccountState,
        /// How long it was tried.
        waited: Duration,
        /// What stood in the way last.
        cause: String,
        /// Whether it may have been done all the same.
        maybe_done: bool,
    },
    /// The server refuses it.
    #[error("the server refuses it: {cause}")]
    Refused {
        /// What it said.
        cause: String,
    },
    /// Hosted bots answered each other in the channel, and nobody else said anything.
    #[error(
        "{limit} posts in a row in channel {channel} are by bots of this host; waiting for somebody else to post"
    )]
    LoopGuard {
        /// The channel.
        channel: ChannelId,
        /// How many are allowed (`replies.loop_limit`).
        limit: u32,
    },
    /// What was doing it ended. It may have been done; asked again with the same key it is not done twice.
    #[error("what was posting for account {0} ended; whether it was posted is not known")]
    Interrupted(AccountName),
}

fn doubt(maybe_done: bool) -> &'static str {
    if maybe_done { "; it may have been done all the same" } else { "" }
}

/// What follows for an event whose answer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retryability {
    /// The same again may succeed later.
    Retryable,
    /// The same again will fail again.
    Permanent,
}

impl ReplyError {
    /// Whether it helps to ask for the same again.
    pub fn retryability(&self) -> Retryability {
        match self {
            Self::Stopped(_) | Self::QueueFull { .. } | Self::TimedOut { .. } | Self::Interrupted(_) => {
                Retryability::Retryable
            }
            Self::UnknownAccount(_)
            | Self::Empty
            | Self::NoChannel
            | Self::TooLong { .. }
            | Self::TooManyFiles { .. }
            | Self::FileTooLarge { .. }
            | Self::Refused { .. }
            | Self::LoopGuard { .. } => Retryability::Permanent,
        }
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({} bytes)", self.name, self.bytes.len())
    }
}

#[cfg(test)]
mod tests;
