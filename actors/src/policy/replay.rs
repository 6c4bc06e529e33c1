//! The state of an account's events: received, acknowledged and missing.

mod backlog;
mod channel;
mod clock;
mod cursor;
mod edits;
mod hole;
mod recent;
mod sequence;
mod state;

pub(crate) use backlog::{BacklogKind, ChannelBacklog, ListedChannel};
pub(crate) use cursor::Anchor;
pub(crate) use sequence::{Sequence, SequenceCheck};
pub(crate) use state::AuditReadiness;
pub use state::{ReplaySettings, ReplayState, StartFrom};
