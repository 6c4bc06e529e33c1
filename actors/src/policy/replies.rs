//! Replies: in parts that fit, each once, and not for ever.

mod attempt;
mod fence;
mod keyed_queue;
mod loop_guard;
mod send_permission;
mod sent;
mod split;

pub use attempt::{GiveUpReason, ReplyStep, RequestFailure, RequestRetry};
pub use keyed_queue::KeyedQueue;
pub use loop_guard::{LoopGuard, LoopVerdict};
pub use send_permission::{SendPermission, send_permission};
pub use sent::SentKeys;
pub use split::{MAX_POST_CHARS, MAX_TEXT_CHARS, TextTooLong, split_text};
