//! Decisions, without actors: plain structs that are fed `now` and say what to do.
//!
//! Nothing here waits, sends or reads a clock, which is what makes the tests of it fast and exact.

mod audit;
mod backoff;
mod book;
mod budget;
mod common_cause;
mod cursor;
mod deafness;
mod edits;
mod ending;
mod gate;
mod health;
mod lanes;
mod liveness;
mod replies;
mod restart;
mod sequence;
mod settings;
mod witness;

pub use audit::Audit;
pub use backoff::{Backoff, Delays};
pub use book::{Beginning, Book, BookSettings, Listed, News, NewsKind};
pub use budget::{Budget, Charged, Phase};
pub use common_cause::CommonCause;
pub use cursor::{Anchor, Cursor};
pub use deafness::Deafness;
pub use edits::Edits;
pub use ending::{Charge, Consequence, Run, consequence};
pub use gate::{
    Class as RequestClass, GateFull, GateLimits, Grant, Knocking, Pace, RateSeen, Shares, Weather,
};
pub use health::{Health, Polled, Verdict, first_poll_after, stretched};
pub use lanes::Lanes;
pub use liveness::{Liveness, Pulse, PulseLimits};
pub use replies::{
    Attempt, GaveUp, LONGEST_POST, LONGEST_TEXT, LoopGuard, Sent, Standing, Step as ReplyStep, Streak,
    TooLong, Trouble, split, standing,
};
pub use restart::{Next, RestartTracker};
pub use sequence::{Sequence, Step};
pub use settings::{RestartPolicy, RestartSettings, SettingsError};
pub use witness::{Prompt, Witness};
