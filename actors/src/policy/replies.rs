//! Replies: in parts that fit, each once, and not for ever.

mod attempt;
mod fence;
mod keyed_queue;
mod loop_guard;
mod send_permission;
mod sent;
mod split;

pub use attempt::{Attempt, GaveUp, Step, Trouble};
pub use keyed_queue::Lanes;
pub use loop_guard::{LoopGuard, Streak};
pub use send_permission::{Standing, standing};
pub use sent::Sent;
pub use split::{LONGEST_POST, LONGEST_TEXT, TooLong, split};
