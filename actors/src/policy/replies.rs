//! Replies: splitting, posting at most once, and breaking loops.

mod answer_posts;
mod attempt;
mod fence;
mod keyed_queue;
mod known_limits;
mod lookup_cache;
mod loop_guard;
mod recent_uploads;
mod send_permission;
mod sent;
mod shown_parts;
mod split;
mod update_streams;

pub use answer_posts::{AnswerPosts, CountedPost};
pub(crate) use attempt::{GiveUpReason, ReplyStep, RequestFailure, RequestRetry};
pub use keyed_queue::KeyedQueue;
pub(crate) use known_limits::{KnownLimits, LimitsUse, always_fits};
pub(crate) use lookup_cache::LookupCache;
pub(crate) use loop_guard::{AccountPost, BotPost, LoopGuard, LoopVerdict, Receipt, UserAct};
pub(crate) use recent_uploads::RecentUploads;
pub(crate) use send_permission::{SendPermission, send_permission};
pub(crate) use sent::{SentKeys, SentPost};
pub(crate) use shown_parts::ShownParts;
pub use split::MOST_PARTS;
pub(crate) use split::split_text;
pub(crate) use update_streams::{NextUpdate, StreamKey, UpdateStreams};
