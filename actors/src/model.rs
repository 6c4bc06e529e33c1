//! The words of the domain: names, endings, states, events and observations.
//!
//! The lowest floor: plain values that every other module may use and that use none of them.

mod close_reason;
mod counts;
mod ending;
mod event;
mod names;
mod observation;
mod record;
mod reply;
mod resume_point;
mod snapshot;
mod state;
mod token;
mod witnesses;

pub use close_reason::{CloseClass, CloseReason, Misconfiguration};
pub use counts::StateCounts;
pub use ending::Ending;
pub use event::{AccountUser, Change, Event, EventBody, PostKey};
pub use names::{AccountName, ChannelId, Generation, NameError, PostId, ServerName, UserId};
pub use observation::{Fact, Observation, Subject, Truncation};
pub use record::{AccountRecord, ChannelRecord, Records};
pub use reply::{
    Attachment, Draft, OutgoingAction, PostedIds, ReplyError, ReplyKey, ReplyKeyError, Retryability,
};
pub use resume_point::ResumePoint;
pub use snapshot::{
    AccountDetail, AccountSnapshot, CatchUpProgress, DeliveryQueueStats, ServerSnapshot, StallCause, Stalls,
};
pub use state::AccountState;
pub use token::Token;
pub use witnesses::{Probe, Witnesses};
