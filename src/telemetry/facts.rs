//! Descriptions of the facts that the Supervisor observes: a message for people and fields for programs. The log and
//! the admin API use them.

mod repeats;

use std::{sync::Arc, time::Duration};

use matterhost_actors::model::{CatchUpProgress, CloseClass, CloseReason, Fact, Observation, Subject};
use parking_lot::Mutex;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tracing::Level;

use self::repeats::RepeatFilter;
use super::time::{human, millis};

/// The log of the observations. Clones share what was logged last.
#[derive(Debug, Clone, Default)]
pub struct FactLog(Arc<Mutex<RepeatFilter>>);

impl FactLog {
    /// Logs observations until the Supervisor ends.
    pub async fn follow(self, mut observations: Receiver<Arc<Observation>>) {
        loop {
            match observations.recv().await {
                Ok(observation) => self.log(&observation),
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "the log fell behind; observations are missing here");
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Logs one observation.
    pub fn log(&self, observation: &Observation) {
        let description = describe(&observation.fact);
        let level = self.0.lock().level(observation, description.level);
        write(observation, Description { level, ..description });
    }
}

/// The level, message and fields of a fact, without its subject.
#[derive(Debug, PartialEq)]
pub(crate) struct Description {
    pub(crate) level: Level,
    pub(crate) message: String,
    pub(crate) fields: Fields,
}

/// The machine-readable values of a fact.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Fields {
    pub(crate) reason: Option<&'static str>,
    pub(crate) charged: Option<bool>,
    pub(crate) delay_ms: Option<u64>,
    pub(crate) took_ms: Option<u64>,
    pub(crate) ready_ms: Option<u64>,
    pub(crate) resumed: Option<bool>,
}

fn write(observation: &Observation, Description { level, message, fields }: Description) {
    let Fields { reason, charged, delay_ms, took_ms, ready_ms, resumed } = fields;
    let (account, generation, server) = match &observation.subject {
        Subject::Account(account, generation) => (Some(account.as_str()), Some(generation.0), None),
        Subject::Server(server) => (None, None, Some(server.as_str())),
    };
    let fact = observation.fact.label();
    // `tracing` requires a constant level at each call site.
    macro_rules! emit {
        ($level:expr) => {
            tracing::event!(
                $level,
                account,
                generation,
                server,
                fact,
                reason,
                charged,
                delay_ms,
                took_ms,
                ready_ms,
                resumed,
                "{message}"
            )
        };
    }
    match level {
        Level::ERROR => emit!(Level::ERROR),
        Level::WARN => emit!(Level::WARN),
        Level::INFO => emit!(Level::INFO),
        Level::DEBUG => emit!(Level::DEBUG),
        _ => emit!(Level::TRACE),
    }
}

/// Describes a fact.
pub(crate) fn describe(fact: &Fact) -> Description {
    let fields = fields_of(fact);
    let (level, message) = match fact {
        Fact::Closed { reason, .. } => (closed_level(reason), format!("the connection ended: {reason}")),
        Fact::RestartScheduled { after, .. } => (Level::INFO, format!("connecting again {}", when(*after))),
        Fact::Tripped { cooldown } => {
            (Level::ERROR, format!("the restart budget is spent; trying again in {}", human(*cooldown)))
        }
        Fact::Ready { after } => (Level::INFO, format!("ready after {}", human(*after))),
        Fact::HearsAgain { after } => {
            (Level::INFO, format!("receiving events again; it may have been deaf for {}", human(*after)))
        }
        Fact::Rejected { event, channel, cause } => {
            (Level::WARN, format!("event {event} in channel {channel} was refused for good: {cause}"))
        }
        Fact::ProbeFailed { cause } => (Level::WARN, format!("a poll failed; the connection stays: {cause}")),
        Fact::SequenceGap { expected, got } => {
            (Level::WARN, format!("events are missing: expected number {expected}, got {got}"))
        }
        Fact::Unreadable { cause } => (Level::WARN, format!("a frame was skipped: {cause}")),
        Fact::StoreFailed { cause } => (
            Level::ERROR,
            format!("the state cannot be saved, and no event is delivered until it can: {cause}"),
        ),
        Fact::LoopStopped { channel, limit } => {
            let what = format!("the last {limit} posts in channel {channel} are by bots of this host");
            (Level::WARN, format!("{what}; their replies there are refused until someone else posts"))
        }
        other => describe_catch_up(other),
    };
    Description { level, message, fields }
}

/// Returns the description of a fact about the posts that a catch-up or an audit reads, or of another one.
fn describe_catch_up(fact: &Fact) -> (Level, String) {
    match fact {
        Fact::CaughtUp { channels: 0, .. } => (Level::DEBUG, "nothing was missed".into()),
        Fact::CatchingUp(CatchUpProgress { done, channels, recovered }) => {
            let how_far = format!("{done} of {channels} channels read");
            (Level::INFO, format!("catching up: {how_far}, {recovered} posts and edits recovered so far"))
        }
        Fact::CaughtUp { channels, recovered, .. } => {
            let what = format!("{recovered} posts and edits recovered");
            (Level::INFO, format!("caught up: {what}, {channels} channels checked"))
        }
        Fact::CatchUpTruncated { channel, what } => {
            (Level::WARN, format!("the catch-up of channel {channel} is incomplete; left out: {what}"))
        }
        Fact::OlderPostsUntold { channel, posts } => {
            let why = "without a visible cause; any that were dated back are not delivered";
            (Level::INFO, format!("channel {channel}: {posts} older posts changed {why}"))
        }
        Fact::Audited { channels } => {
            (Level::DEBUG, format!("the audit found nothing missing; {channels} channels were checked"))
        }
        Fact::ChannelSkipped { channel, cause } => {
            (Level::WARN, format!("channel {channel} cannot be read and is skipped: {cause}"))
        }
        Fact::ChannelPostponed { channel, waiting } => {
            let what = format!("{waiting} events of channel {channel} wait for the sink");
            (
                Level::WARN,
                format!("{what}; later ones are fetched when it has taken them, other channels go on"),
            )
        }
        Fact::RowSkipped { channel, post, cause } => {
            let row = post.as_ref().map_or_else(String::new, |post| format!("post {post} in "));
            (Level::WARN, format!("{row}channel {channel:?} is passed over; it cannot be used: {cause}"))
        }
        Fact::ChannelsLeftOut { limit } => (
            Level::WARN,
            format!(
                "the account has more than {limit} channels (catch_up.max_channels); the others are not read"
            ),
        ),
        Fact::ChannelsForgotten { channels } => {
            let why = "the server's lists have lacked them for long, or too many of them";
            (Level::WARN, format!("{channels} channels are forgotten: {why}"))
        }
        Fact::ThreadGone { channel, root } => {
            let what =
                format!("post {root} in channel {channel} cannot be answered in a thread; it may be deleted");
            (Level::WARN, format!("{what}; the answer was posted in the channel"))
        }
        Fact::UpdateFailed { channel, key, cause } => {
            (Level::WARN, format!("the post with the key {key} in channel {channel} is not updated: {cause}"))
        }
        other => describe_server(other),
    }
}

/// Returns the description of a fact about a server, or of one without values.
fn describe_server(fact: &Fact) -> (Level, String) {
    match fact {
        Fact::RatePaused { wait } => {
            (Level::WARN, format!("the rate limit is reached; pausing for {}", human(*wait)))
        }
        Fact::PollsStretched { interval } => {
            let what = "polls would exceed half the request rate";
            (Level::WARN, format!("{what}; each account is polled every {}", human(*interval)))
        }
        Fact::ServerRefusing { cause } => {
            let what = format!("something else answers in the server's place: {cause}");
            (
                Level::WARN,
                format!("{what}; probing until the server answers, then all waiting accounts are tried"),
            )
        }
        Fact::SocketLifetime { after, idle: true } => {
            let what = format!(
                "a proxy ends connections after {} without traffic; pings are now faster",
                human(*after)
            );
            let remedy = "raise its timeout: nginx proxy_read_timeout and proxy_send_timeout, HAProxy timeout tunnel, \
                AWS ALB idle_timeout.timeout_seconds";
            (Level::WARN, format!("{what}; {remedy}"))
        }
        Fact::SocketLifetime { after, idle: false } => {
            let what = format!("a proxy ends every connection after {}, whatever is sent", human(*after));
            let remedy = "raise its limit, or exempt /api/v4/websocket: nginx proxy_read_timeout, HAProxy timeout tunnel \
                (not only timeout client and server), AWS ALB idle_timeout.timeout_seconds";
            (Level::WARN, format!("{what}; {remedy}"))
        }
        Fact::Stalled { cause } => (Level::WARN, format!("no event can be handed over: {cause}")),
        plain => describe_plain(plain),
    }
}

/// Returns the description of a fact without values.
fn describe_plain(fact: &Fact) -> (Level, String) {
    let (level, message) = match fact {
        Fact::Connecting => (Level::DEBUG, "connecting"),
        Fact::Connected { resumed: true } => (Level::DEBUG, "connected; the previous session was resumed"),
        Fact::Connected { resumed: false } => (Level::DEBUG, "connected"),
        Fact::ResumeLost => {
            (Level::INFO, "the previous session could not be resumed; the server started a new one")
        }
        Fact::Settled => (Level::DEBUG, "settled; restart delays are reset"),
        Fact::Refunded => (Level::INFO, "the server dropped other accounts too; the charge is refunded"),
        Fact::Blocked => (Level::WARN, "blocked: the token is refused (401); retrying until it is accepted"),
        Fact::Misconfigured => (Level::ERROR, "misconfigured: retrying cannot help; checking occasionally"),
        Fact::HalfOpen => {
            (Level::INFO, "the cooldown is over; one more charged ending trips the account again")
        }
        Fact::BudgetReset => (Level::INFO, "the restart budget is full again"),
        Fact::Unstalled => (Level::INFO, "the sinks accept events again"),
        Fact::StoreRecovered => (Level::INFO, "the state can be saved again"),
        Fact::OwnChange => (Level::DEBUG, "the account changed itself; the connection is fine"),
        Fact::Prompted => (Level::DEBUG, "another account saw this one change; checking now"),
        Fact::ProbeGood { .. } => (Level::TRACE, "a probe succeeded"),
        Fact::Stopped => (Level::INFO, "stopped"),
        Fact::Abandoned => (Level::WARN, "the connection did not end in time and was abandoned"),
        Fact::Removed => (Level::INFO, "removed"),
        Fact::ServerDown => (Level::WARN, "the server does not respond; waiting until it does"),
        Fact::ServerUp => (Level::INFO, "the server responds again"),
        // `describe` handles these with their values.
        other => (Level::INFO, other.label()),
    };
    (level, message.to_owned())
}

fn fields_of(fact: &Fact) -> Fields {
    let none = Fields::default();
    match fact {
        Fact::Closed { reason, ready_for, charged } => Fields {
            reason: Some(reason.label()),
            charged: Some(*charged),
            ready_ms: ready_for.map(millis),
            ..none
        },
        Fact::RestartScheduled { after, resume } => {
            Fields { delay_ms: Some(millis(*after)), resumed: Some(*resume), ..none }
        }
        Fact::Tripped { cooldown: wait }
        | Fact::RatePaused { wait }
        | Fact::SocketLifetime { after: wait, .. }
        | Fact::PollsStretched { interval: wait } => Fields { delay_ms: Some(millis(*wait)), ..none },
        Fact::Ready { after: took } | Fact::CaughtUp { took, .. } | Fact::ProbeGood { took } => {
            Fields { took_ms: Some(millis(*took)), ..none }
        }
        Fact::Connected { resumed } => Fields { resumed: Some(*resumed), ..none },
        _ => none,
    }
}

/// Returns the level of an ending by its severity.
fn closed_level(reason: &CloseReason) -> Level {
    match reason.class() {
        CloseClass::Planned => Level::INFO,
        CloseClass::Recycle | CloseClass::Blocked | CloseClass::Transient => Level::WARN,
        CloseClass::Misconfigured | CloseClass::Identity | CloseClass::Fault | CloseClass::Arbiter => {
            Level::ERROR
        }
    }
}

fn when(wait: Duration) -> String {
    if wait.is_zero() { "at once".into() } else { format!("in {}", human(wait)) }
}

#[cfg(test)]
mod tests;
