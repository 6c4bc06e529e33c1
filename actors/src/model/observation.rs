//! What happens, as it happens: the one stream that tests, logs and metrics read.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::{AccountName, CatchUpProgress, ChannelId, CloseReason, Generation, ServerName};

/// One fact about an account or a server.
#[derive(Debug, Clone)]
pub struct Observation {
    /// When it was seen.
    pub at: SystemTime,
    /// The server that it is about, or that the account is on.
    pub server: ServerName,
    /// What it is about.
    pub subject: Subject,
    /// What happened.
    pub fact: Fact,
}

/// What an [`Observation`] is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An account, in the generation given.
    Account(AccountName, Generation),
    /// A server.
    Server(ServerName),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A Connection was started.
    Connecting,
    /// The server said hello, or answered the first ping of a resumed connection.
    Connected {
        /// Whether the server went on with an old connection.
        resumed: bool,
    },
    /// A resume was tried and the server began a new connection instead: events were lost on the way.
    ResumeLost,
    /// Events flow.
    Ready {
        /// From the start of the Connection.
        after: Duration,
    },
    /// The account hears again after a change of it, or after its socket was found deaf; told beside [`Fact::Ready`].
    HearsAgain {
        /// For how long it may have heard nothing: `policy::DeafTimer` says from when.
        after: Duration,
    },
    /// A catch-up takes long: how far it is.
    CatchingUp(CatchUpProgress),
    /// What was posted while the account was away has been fetched.
    CaughtUp {
        /// Channels that had news.
        channels: usize,
        /// Posts, edits and deletions that were handed over.
        recovered: usize,
        /// From the listing of the channels to the last one handed over.
        took: Duration,
    },
    /// A channel had more to catch up with than a limit allows: some of it is left out.
    CatchUpTruncated {
        /// The channel.
        channel: ChannelId,
        /// What was left out.
        what: Truncation,
    },
    /// A channel refuses to be read; it was left out.
    ChannelSkipped {
        /// The channel.
        channel: ChannelId,
        /// What the server said.
        cause: String,
    },
    /// The audit compared what the server has with what was received, and nothing is missing.
    Audited {
        /// Channels that had to be looked into.
        channels: usize,
    },
    /// The Connection was ready for `reset_after`: delays begin anew, and a half-open budget is whole again.
    Settled,
    /// The Connection ended.
    Closed {
        /// Why.
        reason: CloseReason,
        /// For how long it had been ready, if it was.
        ready_for: Option<Duration>,
        /// Whether the ending was charged to the restart budget.
        charged: bool,
    },
    /// Charged endings were taken back: the server had dropped others too.
    Refunded,
    /// The next Connection is scheduled.
    RestartScheduled {
        /// In how long.
        after: Duration,
        /// Whether it may resume.
        resume: bool,
    },
    /// The server answers 401; it will be asked slowly.
    Blocked,
    /// The server or the way to it is set up wrongly; it will be asked slowly.
    Misconfigured,
    /// The restart budget is spent.
    Tripped {
        /// How long until the half-open try.
        cooldown: Duration,
    },
    /// The cooldown is over; one more charged ending trips again.
    HalfOpen,
    /// The operator gave the account its whole budget back.
    BudgetReset,
    /// The sink or the store takes nothing; reading is paused.
    Stalled,
    /// The sink or the store takes events again.
    Unstalled,
    /// A sink refused an event for good.
    Rejected {
        /// What it said.
        cause: String,
    },
    /// What was acknowledged cannot be kept, or what was kept cannot be read; nothing is handed over until it can.
    StoreFailed {
        /// Which file, what is wrong, and how to mend it.
        cause: String,
    },
    /// What was acknowledged is kept again.
    StoreRecovered,
    /// Hosted bots answered each other in a channel, and nobody else posted: their answers there are refused until
    /// somebody does.
    LoopStopped {
        /// The channel.
        channel: ChannelId,
        /// How many posts in a row were let through.
        limit: u32,
    },
    /// Another account saw this one change; it is polled, or woken, at once.
    Prompted,
    /// A poll or a ping said that all is well.
    ProbeGood {
        /// How long the answer took.
        took: Duration,
    },
    /// A poll failed; it is counted, and cuts nothing.
    ProbeFailed {
        /// What went wrong.
        cause: String,
    },
    /// A live socket's sequence skipped numbers.
    SequenceGap {
        /// The number that was due.
        expected: u64,
        /// The number that came.
        got: u64,
    },
    /// A text frame could not be read as an event or a reply; it was left out.
    Unreadable {
        /// What was wrong with it.
        cause: String,
    },
    /// The account is stopped until somebody starts it.
    Stopped,
    /// A Connection did not end in time and was abandoned.
    Abandoned,
    /// The account is gone.
    Removed,
    /// The server does not answer; connects and polls wait until it does.
    ServerDown,
    /// The server answers again.
    ServerUp,
    /// The server's rate limit pauses everything.
    RatePaused {
        /// For how long.
        wait: Duration,
    },
    /// Polls do not fit half the server's rate: their interval is longer.
    PollsStretched {
        /// The interval now.
        interval: Duration,
    },
}

/// What a catch-up left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncation {
    /// All but the newest posts: `max_posts_per_channel`.
    Posts {
        /// The limit, in posts.
        limit: usize,
    },
    /// Posts that are older: `max_age`.
    Age {
        /// The limit.
        limit: Duration,
    },
    /// Any of the edits and deletions: the server shows no more of them (fact 25).
    Changes {
        /// The server's limit, in rows.
        limit: usize,
    },
}

impl fmt::Display for Truncation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Posts { limit } => {
                write!(f, "all but the newest {limit} posts (catch_up.max_posts_per_channel)")
            }
            Self::Age { limit } => write!(f, "posts older than {} s (catch_up.max_age)", limit.as_secs()),
            Self::Changes { limit } => {
                write!(f, "some of more than {limit} edits and deletions (the server shows no more)")
            }
        }
    }
}

impl Fact {
    /// Every label there is.
    pub const LABELS: [&'static str; 37] = [
        "connecting",
        "connected",
        "resume_lost",
        "ready",
        "hears_again",
        "catching_up",
        "caught_up",
        "catch_up_truncated",
        "channel_skipped",
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
        "rate_paused",
        "polls_stretched",
    ];

    /// The fact in one word, for logs and metrics.
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
            Self::ChannelSkipped { .. } => "channel_skipped",
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
            Self::Stalled => "stalled",
            Self::Unstalled => "unstalled",
            Self::Rejected { .. } => "rejected",
            Self::StoreFailed { .. } => "store_failed",
            Self::StoreRecovered => "store_recovered",
            Self::LoopStopped { .. } => "loop_stopped",
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
            Self::RatePaused { .. } => "rate_paused",
            Self::PollsStretched { .. } => "polls_stretched",
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
mod tests {
    use super::*;

    #[test]
    fn every_label_is_in_the_list() {
        let source = include_str!("observation.rs");
        let function = &source[source.find("pub fn label").unwrap()..];
        let function = &function[..function.find("\n    }\n}").unwrap()];
        let labels: Vec<_> = function.split('"').skip(1).step_by(2).collect();
        assert_eq!(labels, Fact::LABELS);
    }
}
