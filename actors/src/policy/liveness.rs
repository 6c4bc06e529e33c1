//! Checks that a socket is alive and still receives events: pings, `update_at` polls and sibling accounts.

mod health_poll;
mod ping;
mod sibling_watch;

pub(crate) use health_poll::{HealthPoll, PollResult, PollVerdict, spread_delay, stretched_interval};
pub use ping::PingSettings;
pub(crate) use ping::{PingAction, PingMonitor};
pub use sibling_watch::{PollTiming, SiblingWatch};
