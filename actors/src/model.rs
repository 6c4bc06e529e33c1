//! The vocabulary of the domain: names, close reasons, states, events and observations.
//!
//! This is the lowest layer: plain values that every other module may use and that depend on none of them.

mod account_state;
mod close_reason;
mod event;
mod excerpt;
mod file;
mod lookup;
mod names;
mod observation;
mod record;
mod reply;
mod secrets;
mod server_limits;
mod snapshot;
mod token;
mod user_change;

pub use account_state::{AccountState, StateCounts};
pub use close_reason::{CloseClass, CloseReason, Misconfiguration};
pub use event::{AccountUser, Change, ChannelInfo, Event, EventBody, PostKey, PostOutline, ReactionHead};
pub use excerpt::{Excerpt, MAX_EXCERPT_CHARS, printable};
pub use file::{Attachment, FileContent, FileId, FileNameError, StoredFile, check_file_name};
pub use lookup::{Found, Lookup, Target, TargetError, UserRef, UserRefError, is_full_id};
pub use names::{
    AccountName, BotName, ChannelId, Generation, IdError, NameError, PostId, ServerName, UserId, check_id,
};
pub(crate) use names::{IdMap, IdSet};
pub use observation::{Fact, Observation, Subject, Truncation};
pub(crate) use record::put_values;
pub use record::{
    AccountChange, AccountRecord, Changes, ChannelChange, ChannelRecord, ChannelUpdate, ChannelValues,
    PostsUpdate, Records, ResumePoint, StorageError, ValueChanges,
};
pub use reply::{
    DIALOG_ERRORS, Draft, HOOK_ANSWER, IntegrationCall, MAX_POSTS_PER_EVENT, OutgoingAction, PostedIds,
    ReplyError, ReplyKey, ReplyKeyError, Retryability,
};
pub use server_limits::{DEFAULT_POST_CHARS, ServerLimits};
pub use snapshot::{
    AccountDetail, AccountSnapshot, CatchUpProgress, DeliveryQueueStats, Ending, Probe, ServerSnapshot,
    StallCause, Stalls, WaitingChannels, WaitingEvent, Witnesses,
};
pub use token::Token;
pub use user_change::UserChange;
