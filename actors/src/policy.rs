//! Decisions without actors: plain structs that take the current time and return what to do.
//!
//! Nothing here waits, sends or reads a clock, which makes the tests fast and exact.

mod gate;
mod kept_values;
mod liveness;
mod refused_events;
mod replay;
mod replies;
mod supervision;
mod transfer_pace;

pub use gate::{FairQueue, GateFull, GateLimits, Grant, RateHeaders, RequestClass, TokenBucket};
pub(crate) use gate::{ServerProbe, ServerStatus, StatusChange};
pub use kept_values::KeptValues;
pub(crate) use liveness::{
    Drift, DriftVerdict, HealthPoll, OwnChanges, PingAction, PingMonitor, PollResult, PollVerdict,
    PromptLimit, RecentChanges, spread_delay, stretched_interval,
};
pub use liveness::{PingSettings, SiblingNews, SiblingWatch};
pub(crate) use refused_events::{Refusal, RefusalScope, RefusedEvents};
pub(crate) use replay::{
    Anchor, AuditReadiness, BacklogKind, ChannelBacklog, ListedChannel, Sequence, SequenceCheck, ServerClock,
    TeamIds, resume_unacknowledged,
};
pub use replay::{ReplaySettings, ReplayState, StartFrom};
pub(crate) use replies::{
    AccountPost, BotPost, GiveUpReason, KnownLimits, LimitsUse, LookupCache, LoopGuard, LoopVerdict,
    NextUpdate, Receipt, RecentUploads, ReplyStep, RequestFailure, RequestRetry, SendPermission, SentKeys,
    SentPost, ShownParts, StreamKey, UpdateStreams, UserAct, always_fits, send_permission, split_text,
};
pub use replies::{AnswerPosts, CountedPost, KeyedQueue, MOST_PARTS};
pub use supervision::{
    Backoff, BreakerState, Budget, ChargeOutcome, CommonCause, Delays, RestartPolicy, RestartSettings,
    SettingsError,
};
pub(crate) use supervision::{
    ChargeRule, Consequence, DeafTimer, ProxyDrop, Recycling, RestartDecision, RestartTracker, RunSummary,
    SocketDrop, SocketLifetime, SocketLifetimes, consequence,
};
pub use transfer_pace::{TransferPace, transfer_time};
