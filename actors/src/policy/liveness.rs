//! Is the socket alive, and does it still hear? Pings, `update_at` polls, siblings and the audit.

mod audit;
mod health_poll;
mod ping;
mod sibling_watch;

pub use audit::Audit;
pub use health_poll::{Health, Polled, Verdict, first_poll_after, stretched};
pub use ping::{Liveness, Pulse, PulseLimits};
pub use sibling_watch::{Prompt, Witness};
