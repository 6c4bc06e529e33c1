//! The memory of an account: what it received, what it acknowledged, and what is missing.

mod backlog;
mod channel;
mod cursor;
mod edits;
mod recent;
mod sequence;
mod state;

pub use backlog::{BacklogKind, ChannelBacklog, ListedChannel};
pub use cursor::{Anchor, Cursor};
pub use edits::EditCursor;
pub use sequence::{Sequence, SequenceCheck};
pub use state::{ReplaySettings, ReplayState, StartFrom};
