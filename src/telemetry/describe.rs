//! Logs what the Supervisor observes: each fact once, with a message that a person can read and fields that a
//! program can.

mod repeats;

use std::{sync::Arc, time::Duration};

use matterhost_actors::model::{CatchUpProgress, CloseClass, CloseReason, Fact, Observation, Subject};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tracing::Level;

use self::repeats::RepeatFilter;

/// Logs until the Supervisor is gone.
pub async fn log(mut observations: Receiver<Arc<Observation>>) {
    let mut repeats = RepeatFilter::default();
    loop {
        match observations.recv().await {
            Ok(observation) => write(&observation, &mut repeats),
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "the log could not keep up; observations are missing here");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// What is told of a fact besides its subject.
#[derive(Debug, PartialEq)]
pub(crate) struct Description {
    pub(crate) level: Level,
    pub(crate) message: String,
    pub(crate) fields: Fields,
}

/// What a program reads of a fact.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Fields {
    pub(crate) reason: Option<&'static str>,
    pub(crate) charged: Option<bool>,
    pub(crate) delay_ms: Option<u64>,
    pub(crate) took_ms: Option<u64>,
    pub(crate) ready_ms: Option<u64>,
    pub(crate) resumed: Option<bool>,
}

fn write(observation: &Observation, repeats: &mut RepeatFilter) {
    let Description { level, message, fields } = describe(&observation.fact);
    let level = repeats.level(observation, level);
    let Fields { reason, charged, delay_ms, took_ms, ready_ms, resumed } = fields;
    let (account, generation, server) = match &observation.subject {
        Subject::Account(account, generation) => (Some(account.as_str()), Some(generation.0), None),
        Subject::Server(server) => (None, None, Some(server.as_str())),
    };
    let fact = observation.fact.label();
    // A level is a constant of its place in the program.
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

/// Puts a fact into words.
pub(crate) fn describe(fact: &Fact) -> Description {
    let fields = fields(fact);
    let (level, message) = match fact {
        Fact::Closed { reason, .. } => (closed_level(reason), format!("the connection ended: {reason}")),
        Fact::RestartScheduled { after, .. } => (Level::INFO, format!("connecting again {}", soon(*after))),
        Fact::Tripped { cooldown } => {
            (Level::ERROR, format!("the restart budget is spent; trying again in {}", human(*cooldown)))
        }
        Fact::Ready { after } => (Level::INFO, format!("ready after {}", human(*after))),
        Fact::HearsAgain { after } => {
            (Level::INFO, format!("hears again; it may have heard nothing for {}", human(*after)))
        }
        Fact::Rejected { cause } => (Level::WARN, format!("an event was refused for good: {cause}")),
        Fact::ProbeFailed { cause } => (Level::WARN, format!("a poll failed, and changes nothing: {cause}")),
        Fact::SequenceGap { expected, got } => {
            (Level::WARN, format!("events are missing: number {expected} was due, {got} came"))
        }
        Fact::Unreadable { cause } => (Level::WARN, format!("a frame was left out: {cause}")),
        Fact::CaughtUp { channels: 0, .. } => (Level::DEBUG, "nothing was missed".into()),
        Fact::CatchingUp(CatchUpProgress { done, channels, recovered }) => {
            let how_far = format!("{done} of {channels} channels are read");
            (Level::INFO, format!("catching up: {how_far}, {recovered} posts and edits recovered so far"))
        }
        Fact::CaughtUp { channels, recovered, .. } => {
            let what = format!("{recovered} posts and edits were missed");
            (Level::INFO, format!("caught up: {what}, in {channels} channels looked at"))
        }
        Fact::CatchUpTruncated { channel, what } => {
            (Level::WARN, format!("channel {channel} is not caught up with whole; left out: {what}"))
        }
        Fact::Audited { channels } => {
            (Level::DEBUG, format!("the audit found nothing missing; {channels} channels were looked into"))
        }
        Fact::StoreFailed { cause } => (
            Level::ERROR,
            format!("the state cannot be kept, and nothing is handed over until it can: {cause}"),
        ),
        Fact::ChannelSkipped { channel, cause } => {
            (Level::WARN, format!("channel {channel} cannot be read and is left out: {cause}"))
        }
        Fact::LoopStopped { channel, limit } => {
            let what = format!("{limit} posts in a row in channel {channel} are by bots of this host");
            (Level::WARN, format!("{what}; their answers there are refused until somebody else posts"))
        }
        Fact::RatePaused { wait } => {
            (Level::WARN, format!("the rate limit is reached; pausing for {}", human(*wait)))
        }
        Fact::PollsStretched { interval } => {
            let what = "polls do not fit half the rate";
            (Level::WARN, format!("{what}; each account is polled every {}", human(*interval)))
        }
        plain => plain_entry(plain),
    };
    Description { level, message, fields }
}

/// Facts that say all by themselves.
fn plain_entry(fact: &Fact) -> (Level, String) {
    let (level, message) = match fact {
        Fact::Connecting => (Level::DEBUG, "connecting"),
        Fact::Connected { resumed: true } => (Level::DEBUG, "connected; the old connection goes on"),
        Fact::Connected { resumed: false } => (Level::DEBUG, "connected"),
        Fact::ResumeLost => {
            (Level::INFO, "the old connection could not be taken up; the server began a new one")
        }
        Fact::Settled => (Level::DEBUG, "settled; delays begin anew"),
        Fact::Refunded => (Level::INFO, "the server dropped others too; the charge is taken back"),
        Fact::Blocked => (Level::WARN, "blocked: the token is refused (401); asking until it is taken again"),
        Fact::Misconfigured => (Level::ERROR, "misconfigured: no retry can help; asking now and then"),
        Fact::HalfOpen => (Level::INFO, "the rest is over; one more charged ending trips again"),
        Fact::BudgetReset => (Level::INFO, "the whole restart budget is back"),
        Fact::Stalled => (Level::WARN, "a sink takes nothing; reading is paused"),
        Fact::Unstalled => (Level::INFO, "the sinks take events again"),
        Fact::StoreRecovered => (Level::INFO, "the state is kept again"),
        Fact::Prompted => (Level::DEBUG, "another account saw this one change; looking at once"),
        Fact::ProbeGood { .. } => (Level::TRACE, "a probe says that all is well"),
        Fact::Stopped => (Level::INFO, "stopped"),
        Fact::Abandoned => (Level::WARN, "the connection did not end in time and was abandoned"),
        Fact::Removed => (Level::INFO, "removed"),
        Fact::ServerDown => (Level::WARN, "the server does not answer; waiting until it does"),
        Fact::ServerUp => (Level::INFO, "the server answers again"),
        // Told with their values, above.
        other => (Level::INFO, other.label()),
    };
    (level, message.to_owned())
}

fn fields(fact: &Fact) -> Fields {
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
        | Fact::PollsStretched { interval: wait } => Fields { delay_ms: Some(millis(*wait)), ..none },
        Fact::Ready { after: took } | Fact::CaughtUp { took, .. } | Fact::ProbeGood { took } => {
            Fields { took_ms: Some(millis(*took)), ..none }
        }
        Fact::Connected { resumed } => Fields { resumed: Some(*resumed), ..none },
        _ => none,
    }
}

/// How much an ending should trouble whoever reads the log.
fn closed_level(reason: &CloseReason) -> Level {
    match reason.class() {
        CloseClass::Planned => Level::INFO,
        CloseClass::Recycle | CloseClass::Blocked | CloseClass::Transient => Level::WARN,
        CloseClass::Misconfigured | CloseClass::Identity | CloseClass::Fault | CloseClass::Arbiter => {
            Level::ERROR
        }
    }
}

fn soon(wait: Duration) -> String {
    if wait.is_zero() { "at once".into() } else { format!("in {}", human(wait)) }
}

/// A time as a person says it: no more than a thousandth of a second.
fn human(time: Duration) -> String {
    humantime::format_duration(Duration::from_millis(millis(time))).to_string()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
