//! Replies: in parts that fit, each once, and not for ever.

mod attempt;
mod fence;
mod loop_guard;
mod sent;
mod split;
mod standing;

pub use attempt::{Attempt, GaveUp, Step, Trouble};
pub use loop_guard::{LoopGuard, Streak};
pub use sent::Sent;
pub use split::{LONGEST_POST, LONGEST_TEXT, TooLong, split};
pub use standing::{Standing, standing};
