//! Decisions, without actors: plain structs that are fed `now` and say what to do.
//!
//! Nothing here waits, sends or reads a clock, which is what makes the tests of it fast and exact.

mod gate;
mod liveness;
mod replay;
mod replies;
mod supervision;

pub use gate::{
    Class as RequestClass, GateFull, GateLimits, Grant, Knocking, Pace, RateSeen, Shares, Weather,
};
pub use liveness::{
    Audit, Health, Liveness, Polled, Prompt, Pulse, PulseLimits, Verdict, Witness, first_poll_after,
    stretched,
};
pub use replay::{
    Anchor, Beginning, Book, BookSettings, Cursor, Edits, Listed, News, NewsKind, Sequence, Step,
};
pub use replies::{
    Attempt, GaveUp, LONGEST_POST, LONGEST_TEXT, Lanes, LoopGuard, Sent, Standing, Step as ReplyStep, Streak,
    TooLong, Trouble, split, standing,
};
pub use supervision::{
    Backoff, Budget, Charge, Charged, CommonCause, Consequence, Deafness, Delays, Next, Phase, RestartPolicy,
    RestartSettings, RestartTracker, Run, SettingsError, consequence,
};
