//! Decisions, without actors: plain structs that are fed `now` and say what to do.
//!
//! Nothing here waits, sends or reads a clock, which is what makes the tests of it fast and exact.

mod gate;
mod liveness;
mod replay;
mod replies;
mod supervision;

pub use gate::{
    FairQueue, GateFull, GateLimits, Grant, RateLimitStatus, RequestClass, ServerProbe, ServerStatus,
    TokenBucket,
};
pub use liveness::{
    AuditReadiness, HealthPoll, PingAction, PingMonitor, PingSettings, PollResult, PollTiming, PollVerdict,
    SiblingWatch, spread_delay, stretched_interval,
};
pub use replay::{
    Anchor, BacklogKind, ChannelBacklog, Cursor, EditCursor, ListedChannel, ReplaySettings, ReplayState,
    Sequence, SequenceCheck, StartFrom,
};
pub use replies::{
    GiveUpReason, KeyedQueue, LoopGuard, LoopVerdict, MAX_POST_CHARS, MAX_TEXT_CHARS, ReplyStep,
    RequestFailure, RequestRetry, SendPermission, SentKeys, TextTooLong, send_permission, split_text,
};
pub use supervision::{
    Backoff, BreakerState, Budget, ChargeOutcome, ChargeRule, CommonCause, Consequence, DeafTimer, Delays,
    RestartDecision, RestartPolicy, RestartSettings, RestartTracker, RunSummary, SettingsError, consequence,
};
