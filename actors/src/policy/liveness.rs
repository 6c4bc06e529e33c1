//! Is the socket alive, and does it still hear? Pings, `update_at` polls, siblings and the audit.

mod audit;
mod health_poll;
mod ping;
mod sibling_watch;

pub use audit::AuditReadiness;
pub use health_poll::{HealthPoll, PollResult, PollVerdict, spread_delay, stretched_interval};
pub use ping::{PingAction, PingMonitor, PingSettings};
pub use sibling_watch::{PollTiming, SiblingWatch};
