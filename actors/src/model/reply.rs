//! Posts and other actions of a bot, and their results.

mod key;

use std::{fmt, time::Duration};

use serde_json::{Map, Value};

pub use self::key::{ReplyKey, ReplyKeyError};
use super::{
    AccountName, AccountState, Attachment, ChannelId, Excerpt, FileId, FileNameError, PostId, UserId,
};

/// An action for an account to take.
#[derive(Debug, Clone, PartialEq)]
pub enum OutgoingAction {
    /// Create a post.
    Post(Draft),
    /// Show a post to a single user, without storing it. The server requires a permission for it.
    Ephemeral {
        /// The user who sees it.
        user: UserId,
        /// The post. Files and the key are ignored: it is shown twice if the server's response is lost.
        draft: Draft,
    },
    /// Change the text of one of the account's own posts.
    Edit {
        /// The post.
        post: PostId,
        /// Its new text.
        text: String,
        /// Its new properties, which replace all it has; `None` to keep them.
        props: Option<Map<String, Value>>,
    },
    /// Change the text of the post that the account made with a key. Of several updates that wait, only the newest is sent.
    Update {
        /// The channel.
        channel: ChannelId,
        /// The key of the post.
        key: ReplyKey,
        /// Its new text.
        text: String,
        /// True if the action is done once the text is shown or replaced; otherwise it is done once it is taken.
        wait: bool,
    },
    /// React to a post.
    React {
        /// The post.
        post: PostId,
        /// The emoji's name, without colons.
        emoji: String,
    },
    /// Remove the account's reaction from a post.
    Unreact {
        /// The post.
        post: PostId,
        /// The emoji's name, without colons.
        emoji: String,
    },
    /// Delete a post. A post that is gone already counts as deleted.
    Delete {
        /// The post.
        post: PostId,
    },
    /// Show that the account is typing. It is attempted once, and dropped if it cannot be sent at once.
    Typing {
        /// The channel.
        channel: ChannelId,
        /// The thread, by its first post.
        root_id: Option<PostId>,
    },
    /// Upload a file, which is shown once a post names its id.
    Upload {
        /// The channel of that post.
        channel: ChannelId,
        /// The file.
        file: Attachment,
        /// The idempotency key. A recent upload to the channel with the same key is not repeated.
        key: Option<ReplyKey>,
    },
    /// Answer a slash command, or open a dialog. It is attempted once.
    Integration {
        /// The channel of the command or button.
        channel: ChannelId,
        /// The call.
        call: IntegrationCall,
    },
}

/// A member of a draft's `props`: the post is the answer to a slash command, button or dialog. It is never sent.
pub const HOOK_ANSWER: &str = "matterhost_hook_answer";

/// A member of a draft's `props`: the errors by field that send a person back to the dialog. The draft is never posted.
pub const DIALOG_ERRORS: &str = "matterhost_dialog_errors";

/// A call about a slash command, button or dialog.
#[derive(Clone, PartialEq)]
pub enum IntegrationCall {
    /// A later answer to a slash command. The server takes five.
    AnswerCommand {
        /// The last part of the command's response URL.
        response_id: Box<str>,
        /// The answer, as the server takes it.
        answer: Value,
    },
    /// Open a dialog for the person of a trigger.
    OpenDialog {
        /// The trigger, which is valid for 30 seconds.
        trigger_id: Box<str>,
        /// The person.
        user: UserId,
        /// The URL that the server sends the dialog to; empty if the host takes no dialogs.
        url: Box<str>,
        /// The dialog, as the server takes it.
        dialog: Map<String, Value>,
    },
}

/// Hides the ids, which let anyone answer or open a dialog for as long as they are valid.
impl fmt::Debug for IntegrationCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnswerCommand { .. } => f.debug_struct("AnswerCommand").finish_non_exhaustive(),
            Self::OpenDialog { user, .. } => {
                f.debug_struct("OpenDialog").field("user", user).finish_non_exhaustive()
            }
        }
    }
}

/// The most posts in answer to one event. A person reads no more, and a handler that writes without end must not fill memory.
pub const MAX_POSTS_PER_EVENT: usize = 16;

/// A post to create. Fields omitted with `..Draft::default()` are empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Draft {
    /// The channel.
    pub channel: ChannelId,
    /// The text. A text too long for one post is split into several, between words.
    pub text: String,
    /// The first post of the thread.
    pub root_id: Option<PostId>,
    /// Any post of the thread, if its first post is not known: it is looked up.
    pub thread_of: Option<PostId>,
    /// Properties of the post, such as `attachments`.
    pub props: Map<String, Value>,
    /// The files, attached to the last part of the text.
    pub files: Vec<Attachment>,
    /// The files that were uploaded before, attached before the others.
    pub file_ids: Vec<FileId>,
    /// The idempotency key. Without one, every call posts again.
    pub key: Option<ReplyKey>,
}

impl Draft {
    /// True if files are attached.
    pub fn has_files(&self) -> bool {
        !self.files.is_empty() || !self.file_ids.is_empty()
    }
}

/// The posts and files that an action created.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostedIds {
    /// Their ids, in order: several if the text was too long for one, none if nothing was posted.
    pub ids: Vec<PostId>,
    /// The ids of the files that it uploaded and that belong to no post yet.
    pub files: Vec<FileId>,
}

/// The reason for which a reply failed, or may have failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The account does not exist.
    #[error("there is no account {0}")]
    UnknownAccount(AccountName),
    /// The account is stopped.
    #[error("account {0} is stopped; start it first")]
    Stopped(AccountName),
    /// The text is empty, and there are no files.
    #[error("nothing to post: the text is empty, and there are no files")]
    Empty,
    /// The event belongs to no channel, and no other was given.
    #[error("the event belongs to no channel; specify one")]
    NoChannel,
    /// The text is too long even for several posts.
    #[error("the text has {characters} characters, the limit is {limit}; attach it as a file")]
    TooLong {
        /// The length of the text.
        characters: usize,
        /// The maximum length.
        limit: usize,
    },
    /// The post has too many files.
    #[error("{files} files are too many for a post; the limit is {limit}")]
    TooManyFiles {
        /// The number of files.
        files: usize,
        /// The maximum number.
        limit: usize,
    },
    /// The event has as many posts as it may have.
    #[error(
        "an event has at most {MAX_POSTS_PER_EVENT} replies, and this one is refused; put more into one reply, or replace its text by an update"
    )]
    TooManyPosts,
    /// The server takes no files.
    #[error("the server takes no files; allow file attachments in its System Console, or send text")]
    NoFiles,
    /// A file is larger than the server allows.
    #[error("file {name:?} has {bytes} bytes; the server's limit is {limit}")]
    FileTooLarge {
        /// The file name.
        name: String,
        /// The size, in bytes.
        bytes: u64,
        /// The server's limit, in bytes.
        limit: u64,
    },
    /// A file has no content, which the server refuses.
    #[error("file {name:?} is empty")]
    EmptyFile {
        /// The file name.
        name: String,
    },
    /// A file has become longer or shorter since it was named.
    #[error("file {name:?} has changed while it waited; write it completely before you name it")]
    FileChanged {
        /// The file name.
        name: String,
    },
    /// A file has a name that it cannot have.
    #[error(transparent)]
    FileName(#[from] FileNameError),
    /// The account's queue is full.
    #[error("the queue of account {account} is full ({limit}); retry later")]
    QueueFull {
        /// The account.
        account: AccountName,
        /// The limit that was reached.
        limit: &'static str,
    },
    /// The action was not completed in time.
    #[error("account {account} did not finish within {} s (state {state}): {cause}{}", .waited.as_secs(), outcome_note(*.maybe_done))]
    TimedOut {
        /// The account.
        account: AccountName,
        /// The account's state at the deadline.
        state: AccountState,
        /// The time spent.
        waited: Duration,
        /// The last obstacle.
        cause: Excerpt,
        /// True if the action may have been carried out.
        maybe_done: bool,
    },
    /// The server does not have it, or does not show it to the account.
    #[error("{what} was not found on the server, or account {account} may not see it")]
    NotFound {
        /// The account.
        account: AccountName,
        /// The thing that was looked up.
        what: Excerpt,
    },
    /// The server refused the request.
    #[error("it cannot be done: {cause}")]
    Refused {
        /// The server's explanation.
        cause: Excerpt,
    },
    /// Hosted bots answered each other in the channel, and no other user posted.
    #[error(
        "the last {limit} posts in channel {channel} are by bots of this host; answers resume once another user posts"
    )]
    LoopGuard {
        /// The channel.
        channel: ChannelId,
        /// The number of allowed posts (`replies.loop_limit`).
        limit: u32,
    },
    /// The task that posted ended. The action may have been carried out; a retry with the same key does not repeat
    /// it.
    #[error("the task that posted for account {0} ended; the result is unknown")]
    Interrupted(AccountName),
}

fn outcome_note(maybe_done: bool) -> &'static str {
    if maybe_done { "; it may have been done anyway" } else { "" }
}

/// The way to treat an event whose answer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retryability {
    /// The same request may succeed later.
    Retryable,
    /// The same request will fail again.
    Permanent,
}

impl ReplyError {
    /// Returns whether the same request can succeed later.
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
            | Self::TooManyPosts
            | Self::NoFiles
            | Self::FileTooLarge { .. }
            | Self::EmptyFile { .. }
            | Self::FileChanged { .. }
            | Self::FileName(_)
            | Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::LoopGuard { .. } => Retryability::Permanent,
        }
    }
}

#[cfg(test)]
mod tests;
