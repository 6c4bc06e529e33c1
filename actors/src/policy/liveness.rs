//! Is the socket alive, and does it still hear? Pings, `update_at` polls, siblings and the audit.

mod health_poll;
mod ping;
mod sibling_watch;

pub(crate) use health_poll::{HealthPoll, PollResult, PollVerdict, spread_delay, stretched_interval};
pub use ping::PingSettings;
pub(crate) use ping::{PingAction, PingMonitor};
pub use sibling_watch::{PollTiming, SiblingWatch};
