//! The stream of lifecycle events that tests, logs and metrics read.

mod truncation;

pub use truncation::Truncation;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::{AccountName, CatchUpProgress, ChannelId, CloseReason, Excerpt, Generation, PostId, ServerName};

/// A fact about an account or a server.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The time of the observation.
    pub at: SystemTime,
    /// The server that the fact is about, or that hosts the account.
    pub server: ServerName,
    /// The account or server that the fact is about.
    pub subject: Subject,
    /// The fact itself.
    pub fact: Fact,
}

/// The account or server that an [`Observation`] is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An account, in the given generation.
    Account(AccountName, Generation),
    /// A server.
    Server(ServerName),
}

/// An occurrence in the life of an account or a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A Connection was started.
    Connecting,
    /// The server sent hello, or answered the first ping of a resumed connection.
    Connected {
        /// True if the server resumed an old connection.
        resumed: bool,
    },
    /// The server refused a resume and started a new connection: events were lost in between.
    ResumeLost,
    /// Events are flowing.
    Ready {
        /// The time since the start of the Connection.
        after: Duration,
    },
    /// The account receives events again after it was changed or its socket was found deaf; sent in addition to
    /// [`Fact::Ready`].
    HearsAgain {
        /// The longest time for which the account may have received nothing, as measured by `policy::DeafTimer`.
        after: Duration,
    },
    /// The progress of a catch-up that takes long.
    CatchingUp(CatchUpProgress),
    /// The posts that the account missed have been fetched.
    CaughtUp {
        /// The number of channels with missed changes.
        channels: usize,
        /// The number of posts, edits and deletions that were handed over.
        recovered: usize,
        /// The time from the channel listing to the last change handed over.
        took: Duration,
    },
    /// A channel had more to catch up on than a limit allows; a part was skipped.
    CatchUpTruncated {
        /// The channel.
        channel: ChannelId,
        /// The part that was skipped.
        what: Truncation,
    },
    /// Posts from before a channel's cursor changed while the account was away, without a visible cause. A post that was
    /// made meanwhile and dated back would be among them, and was not delivered.
    OlderPostsUntold {
        /// The channel.
        channel: ChannelId,
        /// The number of posts.
        posts: usize,
    },
    /// The server refused to let a channel be read; the channel was skipped.
    ChannelSkipped {
        /// The channel.
        channel: ChannelId,
        /// The server's explanation.
        cause: Excerpt,
    },
    /// Events of a channel wait for the sink for so long that later ones are dropped, and fetched once it has taken these.
    ChannelPostponed {
        /// The channel.
        channel: ChannelId,
        /// The number of its events that still wait.
        waiting: usize,
    },
    /// A row of a list could not be used; it was passed over.
    RowSkipped {
        /// The channel, as far as it is known.
        channel: ChannelId,
        /// The post, if it is a row of posts.
        post: Option<PostId>,
        /// The reason why it could not be used.
        cause: Excerpt,
    },
    /// The account has more channels than `catch_up.max_channels`; the others are not read.
    ChannelsLeftOut {
        /// The limit.
        limit: usize,
    },
    /// Channels that the listings lack were forgotten: the account left them long ago, or they are too many.
    ChannelsForgotten {
        /// The number of channels.
        channels: usize,
    },
    /// The audit compared the posts of the server with those received and found nothing missing.
    Audited {
        /// The number of channels that had to be read.
        channels: usize,
    },
    /// The Connection was ready for `reset_after`: delays start over, and a half-open budget is full again.
    Settled,
    /// The Connection ended.
    Closed {
        /// The reason for the end.
        reason: CloseReason,
        /// The time for which it was ready; none if it never was.
        ready_for: Option<Duration>,
        /// True if the ending was charged to the restart budget.
        charged: bool,
    },
    /// Charged endings were refunded, because the server had dropped other accounts too.
    Refunded,
    /// The next Connection is scheduled.
    RestartScheduled {
        /// The delay until then.
        after: Duration,
        /// True if the next Connection may resume.
        resume: bool,
    },
    /// The server answers 401; it is polled slowly from now on.
    Blocked,
    /// The server or the route to it is misconfigured; it is polled slowly from now on.
    Misconfigured,
    /// The restart budget is exhausted.
    Tripped {
        /// The time until the half-open attempt.
        cooldown: Duration,
    },
    /// The cooldown is over; one more charged ending trips the account again.
    HalfOpen,
    /// The operator restored the account's full budget.
    BudgetReset,
    /// The sink accepts no event: everything waits.
    Stalled {
        /// The name of the sink, and what it said last.
        cause: Excerpt,
    },
    /// The sink accepts events again.
    Unstalled,
    /// A sink rejected an event permanently.
    Rejected {
        /// The id of the event.
        event: Excerpt,
        /// Its channel.
        channel: ChannelId,
        /// The sink's explanation.
        cause: Excerpt,
    },
    /// The store cannot save or load the account's cursors; nothing is handed over until it can.
    StoreFailed {
        /// The file, the error and how to fix it.
        cause: String,
    },
    /// The store saves the account's cursors again.
    StoreRecovered,
    /// Hosted bots answered each other in a channel and no other user posted: their answers there are refused
    /// until another user posts.
    LoopStopped {
        /// The channel.
        channel: ChannelId,
        /// The number of consecutive posts that were allowed.
        limit: u32,
    },
    /// The thread of an answer is gone: the answer was posted in the channel.
    ThreadGone {
        /// The channel.
        channel: ChannelId,
        /// The post that was to be answered.
        root: PostId,
    },
    /// An update of a post whose sender did not wait for the result was not made.
    UpdateFailed {
        /// The channel.
        channel: ChannelId,
        /// The key of the post.
        key: Excerpt,
        /// The reason.
        cause: Excerpt,
    },
    /// The account changed itself, which its own socket announced or a ping explained: no new Connection is needed.
    OwnChange,
    /// Another account saw this one change; it is polled, or woken, at once.
    Prompted,
    /// A poll or a ping succeeded.
    ProbeGood {
        /// The response time.
        took: Duration,
    },
    /// A poll failed; it is counted and has no other consequence.
    ProbeFailed {
        /// The error.
        cause: Excerpt,
    },
    /// The sequence numbers of a live socket have a gap.
    SequenceGap {
        /// The number that was expected.
        expected: u64,
        /// The number that arrived.
        got: u64,
    },
    /// A text frame could not be parsed as an event or a reply; it was skipped.
    Unreadable {
        /// The parse error.
        cause: Excerpt,
    },
    /// The account is stopped until the operator starts it.
    Stopped,
    /// A Connection did not end in time and was abandoned.
    Abandoned,
    /// The account was removed.
    Removed,
    /// The server does not answer; connects and polls wait until it does.
    ServerDown,
    /// The server answers again.
    ServerUp,
    /// Something answers in the server's place, and refuses even a request without a token; it is probed until the server
    /// answers well, which wakes the accounts that wait.
    ServerRefusing {
        /// The answer to the probe.
        cause: String,
    },
    /// The server's rate limit pauses all requests.
    RatePaused {
        /// The length of the pause.
        wait: Duration,
    },
    /// Polls would exceed half of the server's rate: their interval was lengthened.
    PollsStretched {
        /// The new interval.
        interval: Duration,
    },
    /// Something between here and the server ends sockets again and again by this rule.
    SocketLifetime {
        /// The age of the sockets, or the time without traffic.
        after: Duration,
        /// True if it ends sockets without traffic; false if it ends all of that age.
        idle: bool,
    },
}

impl Fact {
    /// All labels, in the order of the variants.
    pub const LABELS: [&'static str; 47] = [
        "connecting",
        "connected",
        "resume_lost",
        "ready",
        "hears_again",
        "catching_up",
        "caught_up",
        "catch_up_truncated",
        "older_posts_untold",
        "channel_skipped",
        "channel_postponed",
        "row_skipped",
        "channels_left_out",
        "channels_forgotten",
        "audited",
        "settled",
        "closed",
        "refunded",
        "restart_scheduled",
        "blocked",
        "misconfigured",
        "tripped",
        "half_open",
        "budget_reset",
        "stalled",
        "unstalled",
        "rejected",
        "store_failed",
        "store_recovered",
        "loop_stopped",
        "thread_gone",
        "update_failed",
        "own_change",
        "prompted",
        "probe_good",
        "probe_failed",
        "sequence_gap",
        "unreadable",
        "stopped",
        "abandoned",
        "removed",
        "server_down",
        "server_up",
        "server_refusing",
        "rate_paused",
        "polls_stretched",
        "socket_lifetime",
    ];

    /// True if the fact says that nothing has changed. A large host has a hundred of them a second.
    pub fn is_routine(&self) -> bool {
        matches!(self, Self::ProbeGood { .. })
    }

    /// Returns the fact as one word, for logs and metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected { .. } => "connected",
            Self::ResumeLost => "resume_lost",
            Self::Ready { .. } => "ready",
            Self::HearsAgain { .. } => "hears_again",
            Self::CatchingUp(_) => "catching_up",
            Self::CaughtUp { .. } => "caught_up",
            Self::CatchUpTruncated { .. } => "catch_up_truncated",
            Self::OlderPostsUntold { .. } => "older_posts_untold",
            Self::ChannelSkipped { .. } => "channel_skipped",
            Self::ChannelPostponed { .. } => "channel_postponed",
            Self::RowSkipped { .. } => "row_skipped",
            Self::ChannelsLeftOut { .. } => "channels_left_out",
            Self::ChannelsForgotten { .. } => "channels_forgotten",
            Self::Audited { .. } => "audited",
            Self::Settled => "settled",
            Self::Closed { .. } => "closed",
            Self::Refunded => "refunded",
            Self::RestartScheduled { .. } => "restart_scheduled",
            Self::Blocked => "blocked",
            Self::Misconfigured => "misconfigured",
            Self::Tripped { .. } => "tripped",
            Self::HalfOpen => "half_open",
            Self::BudgetReset => "budget_reset",
            Self::Stalled { .. } => "stalled",
            Self::Unstalled => "unstalled",
            Self::Rejected { .. } => "rejected",
            Self::StoreFailed { .. } => "store_failed",
            Self::StoreRecovered => "store_recovered",
            Self::LoopStopped { .. } => "loop_stopped",
            Self::ThreadGone { .. } => "thread_gone",
            Self::UpdateFailed { .. } => "update_failed",
            Self::OwnChange => "own_change",
            Self::Prompted => "prompted",
            Self::ProbeGood { .. } => "probe_good",
            Self::ProbeFailed { .. } => "probe_failed",
            Self::SequenceGap { .. } => "sequence_gap",
            Self::Unreadable { .. } => "unreadable",
            Self::Stopped => "stopped",
            Self::Abandoned => "abandoned",
            Self::Removed => "removed",
            Self::ServerDown => "server_down",
            Self::ServerUp => "server_up",
            Self::ServerRefusing { .. } => "server_refusing",
            Self::RatePaused { .. } => "rate_paused",
            Self::PollsStretched { .. } => "polls_stretched",
            Self::SocketLifetime { .. } => "socket_lifetime",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(name, generation) => write!(f, "{name}#{generation}"),
            Self::Server(name) => write!(f, "server {name}"),
        }
    }
}

#[cfg(test)]
mod tests;
