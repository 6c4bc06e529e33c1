//! Checks that a socket is alive and still receives events: pings, `update_at` polls and sibling accounts.

mod health_poll;
mod own_changes;
mod ping;
mod prompt_limit;
mod recent_changes;
mod sibling_watch;

pub(crate) use health_poll::{HealthPoll, PollResult, PollVerdict, spread_delay, stretched_interval};
pub(crate) use own_changes::{Drift, DriftVerdict, OwnChanges};
pub use ping::PingSettings;
pub(crate) use ping::{PingAction, PingMonitor};
pub(crate) use prompt_limit::PromptLimit;
pub(crate) use recent_changes::RecentChanges;
pub use sibling_watch::{SiblingNews, SiblingWatch};
