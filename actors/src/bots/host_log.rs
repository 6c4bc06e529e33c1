//! The log of a host that a program runs.

mod log_queue;

pub use log_queue::{LineWriter, LogQueue};

use std::{
    env,
    io::{self, IsTerminal as _},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::broadcast::{Receiver, error::RecvError};
use tracing::Level;
use tracing_subscriber::{
    fmt::{MakeWriter, writer::EitherWriter},
    util::SubscriberInitExt as _,
};

use crate::model::{CloseClass, Fact, Observation, Subject};

/// The output of the log, if the program has set no subscriber of its own.
static OUTPUT: OnceLock<LogOutput> = OnceLock::new();

/// Standard error, through a queue while a host runs: a reader that stops must not block the bots.
#[derive(Debug)]
struct LogOutput {
    /// The queue; `None` if its thread cannot be started.
    queue: Option<LogQueue>,
    /// The hosts that run.
    hosts: AtomicUsize,
}

/// The log of a running host.
#[derive(Debug)]
pub(super) struct HostLog(Option<&'static LogOutput>);

/// Writes the log to standard error from now on, if the program has not set a subscriber of its own.
pub(super) fn init() -> HostLog {
    if !tracing::dispatcher::has_been_set() {
        let start =
            || LogOutput { queue: LogQueue::start(io::stderr(), || ()).ok(), hosts: AtomicUsize::new(0) };
        let output = OUTPUT.get_or_init(start);
        let log = tracing_subscriber::fmt().compact().with_target(false).with_writer(move || output.writer());
        // As no-color.org has it.
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let log = log.with_ansi(io::stderr().is_terminal() && !no_color).log_internal_errors(false);
        // Another thread may have set one meanwhile; it stays.
        let _ = log.with_max_level(Level::INFO).finish().try_init();
    }
    let output = OUTPUT.get();
    if let Some(output) = output {
        output.hosts.fetch_add(1, Relaxed);
    }
    HostLog(output)
}

impl HostLog {
    /// Waits until the lines are written, for as long as that at most.
    pub(super) async fn flush(&self, within: Duration) {
        if let Some(queue) = self.0.and_then(|output| output.queue.clone()) {
            // What a reader does not read by then is lost.
            let _ = tokio::task::spawn_blocking(move || queue.flush(within)).await;
        }
    }
}

impl Drop for HostLog {
    /// Lets the program write its own lines directly, because the process may end after any of them.
    fn drop(&mut self) {
        if let Some(output) = self.0 {
            output.hosts.fetch_sub(1, Relaxed);
        }
    }
}

impl LogOutput {
    /// Returns the writer of a line.
    fn writer(&self) -> EitherWriter<LineWriter<'_>, io::Stderr> {
        match &self.queue {
            Some(queue) if self.hosts.load(Relaxed) > 0 => EitherWriter::A(queue.make_writer()),
            _ => EitherWriter::B(io::stderr()),
        }
    }
}

/// Logs the observations until the host ends.
pub(super) async fn log(mut observations: Receiver<Arc<Observation>>) {
    loop {
        match observations.recv().await {
            Ok(observation) => write(&observation),
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "the log fell behind; observations are missing here");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

fn write(observation: &Observation) {
    let (level, message) = describe(&observation.fact);
    let (account, server) = match &observation.subject {
        Subject::Account(account, _) => (Some(account.as_str()), None),
        Subject::Server(server) => (None, Some(server.as_str())),
    };
    // `tracing` requires a constant level at each call site.
    match level {
        Level::ERROR => tracing::error!(account, server, "{message}"),
        Level::WARN => tracing::warn!(account, server, "{message}"),
        Level::INFO => tracing::info!(account, server, "{message}"),
        _ => tracing::debug!(account, server, "{message}"),
    }
}

/// Returns the level and the text of a fact. Foreign text in it is in excerpts.
fn describe(fact: &Fact) -> (Level, String) {
    match fact {
        Fact::Ready { after } => (Level::INFO, format!("ready after {} ms", after.as_millis())),
        Fact::HearsAgain { after } => {
            (Level::INFO, format!("receiving events again; deaf for at most {} s", after.as_secs()))
        }
        Fact::Closed { reason, .. } => {
            let level = match reason.class() {
                CloseClass::Planned => Level::INFO,
                CloseClass::Recycle | CloseClass::Blocked | CloseClass::Transient => Level::WARN,
                CloseClass::Misconfigured
                | CloseClass::Identity
                | CloseClass::Fault
                | CloseClass::Arbiter => Level::ERROR,
            };
            (level, format!("the connection ended: {reason}"))
        }
        Fact::Blocked => (Level::WARN, "blocked: the token is refused; trying until it is accepted".into()),
        Fact::Misconfigured => (Level::ERROR, "misconfigured: trying again cannot help".into()),
        Fact::Tripped { cooldown } => {
            let text = format!("the restart budget is spent; trying again in {} s", cooldown.as_secs());
            (Level::ERROR, text)
        }
        Fact::Rejected { event, cause, .. } => (Level::WARN, format!("{event} is given up: {cause}")),
        Fact::StoreFailed { cause } => (Level::ERROR, format!("the state cannot be saved: {cause}")),
        Fact::Stalled { cause } => (Level::WARN, format!("no event can be handed over: {cause}")),
        Fact::LoopStopped { channel, limit } => {
            let text =
                format!("the last {limit} posts in channel {channel} are by bots of this host; it waits");
            (Level::WARN, text)
        }
        Fact::UpdateFailed { channel, key, cause } => {
            (Level::WARN, format!("the post with the key {key} in channel {channel} is not updated: {cause}"))
        }
        Fact::ServerDown => (Level::WARN, "the server does not respond; waiting until it does".into()),
        Fact::ServerUp => (Level::INFO, "the server responds again".into()),
        Fact::Stopped => (Level::INFO, "stopped".into()),
        Fact::Unreadable { .. }
        | Fact::RatePaused { .. }
        | Fact::CatchUpTruncated { .. }
        | Fact::ChannelSkipped { .. }
        | Fact::ChannelsLeftOut { .. }
        | Fact::Abandoned => (Level::WARN, format!("{fact:?}")),
        other => (Level::DEBUG, format!("{other:?}")),
    }
}
