//! Replies: splitting, posting at most once, and breaking loops.

mod attempt;
mod fence;
mod keyed_queue;
mod loop_guard;
mod send_permission;
mod sent;
mod split;

pub(crate) use attempt::{GiveUpReason, ReplyStep, RequestFailure, RequestRetry};
pub use keyed_queue::KeyedQueue;
pub(crate) use loop_guard::{BotPost, LoopGuard, LoopVerdict, UserAct};
pub(crate) use send_permission::{SendPermission, send_permission};
pub(crate) use sent::SentKeys;
pub(crate) use split::split_text;
pub use split::{MAX_POST_CHARS, MAX_TEXT_CHARS};
