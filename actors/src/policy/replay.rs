//! The state of an account's events: received, acknowledged and missing.

mod absence;
mod backlog;
mod channel;
mod channel_refusal;
mod clock;
mod cursor;
mod edits;
mod hole;
mod known_teams;
mod post_set;
mod reading;
mod recent;
mod replay_state;
mod resume;
mod sequence;

pub(crate) use backlog::{BacklogKind, ChannelBacklog, ListedChannel};
pub(crate) use clock::ServerClock;
pub(crate) use cursor::Anchor;
pub(crate) use known_teams::TeamIds;
pub(crate) use replay_state::AuditReadiness;
pub use replay_state::{ReplaySettings, ReplayState, StartFrom};
pub(crate) use resume::resume_unacknowledged;
pub(crate) use sequence::{Sequence, SequenceCheck};
