//! The shutdown of the host: its cause, and how the time limit is divided among its steps.

use std::time::Duration;

use actix::Addr;
use futures_util::future::join;
use matterhost_actors::hosting::{Shutdown, Supervisor};
use tokio::time::{Instant, timeout_at};

use super::{cluster::ClusterMember, exit::Exit, signals::StopSignal, store::Store, systemd::ServiceManager};
use crate::{
    admin::server::AdminServer,
    hooks::HookServer,
    sinks::{SinkRegistry, lines::stdout::OutputEnd},
};

/// Time limit once standard output is closed: no event can be delivered, only the sockets are closed.
const DEADLINE_WITHOUT_OUTPUT: Duration = Duration::from_secs(4);

/// The most time that is reserved for the sinks to close. A child process that does not exit in time is killed.
const SINKS_RESERVE: Duration = Duration::from_secs(5);

/// The most time that is reserved for the last commits and for closing the store, on a slow disk.
const STORE_RESERVE: Duration = Duration::from_secs(5);

/// The most time that is reserved for the last log lines, which their reader may take slowly or not at all.
const LOG_RESERVE: Duration = Duration::from_secs(1);

/// A short limit is divided: this part of it is reserved for the sinks, and as much for the store.
const RESERVED_PART: u32 = 4;
/// The part of the time for deliveries in which runs of bots' schedules have to end: a run that hangs costs no event.
const RUNS_PART: u32 = 2;
/// The part of a short limit that is reserved for the log.
const RESERVED_LOG_PART: u32 = 8;

/// The parts of the host that a shutdown ends.
pub(super) struct RunningHost {
    pub(super) supervisor: Addr<Supervisor>,
    pub(super) sinks: SinkRegistry,
    pub(super) store: Store,
    pub(super) api: Option<AdminServer>,
    pub(super) hooks: Option<HookServer>,
    pub(super) manager: ServiceManager,
    pub(super) member: Option<ClusterMember>,
}

/// The reason why the host shuts down.
pub(super) enum ShutdownCause {
    Signal(StopSignal),
    Output(OutputEnd),
}

impl ShutdownCause {
    /// Logs the cause and returns the exit status.
    pub(super) fn log(&self) -> Exit {
        match self {
            Self::Signal(signal) => {
                tracing::info!(
                    signal = signal.name(),
                    "shutting down: delivering the remaining events; a second signal ends at once, and nothing is lost"
                );
                Exit::Success
            }
            Self::Output(OutputEnd::Closed) => {
                tracing::info!("shutting down: standard output was closed");
                Exit::Success
            }
            Self::Output(OutputEnd::Failed(cause)) => {
                tracing::error!(cause, "shutting down: cannot write to standard output");
                Exit::Failed
            }
        }
    }

    /// Returns the time limit of the whole shutdown.
    pub(super) fn deadline(&self, configured: Duration) -> Duration {
        match self {
            Self::Signal(_) => configured,
            Self::Output(_) => DEADLINE_WITHOUT_OUTPUT.min(configured),
        }
    }
}

/// The time limits of the steps of a shutdown. Each step may also use the time that an earlier step left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShutdownTimes {
    /// The end of runs of bots' schedules.
    pub(super) runs: Instant,
    /// The end of delivering events and posting replies.
    pub(super) drain: Instant,
    /// The end of closing the sinks.
    pub(super) sinks: Instant,
    /// The end of closing the store and of stopping the admin API.
    pub(super) store: Instant,
    /// The end of writing the log, and of the shutdown.
    pub(super) end: Instant,
}

impl ShutdownTimes {
    /// Divides the time limit among the steps.
    pub(super) fn new(now: Instant, deadline: Duration) -> Self {
        let end = now + deadline;
        let store = end - LOG_RESERVE.min(deadline / RESERVED_LOG_PART);
        let sinks = store - STORE_RESERVE.min(deadline / RESERVED_PART);
        let drain = sinks - SINKS_RESERVE.min(deadline / RESERVED_PART);
        let runs = now + (drain - now) / RUNS_PART;
        Self { runs, drain, sinks, store, end }
    }
}

impl RunningHost {
    /// Stops everything in order. What is not done in time is left as after a kill.
    pub(super) async fn stop(mut self, times: ShutdownTimes) {
        // Other members of a cluster take them.
        self.sinks.board().set_all_leaving();
        self.sinks.stop_schedules(times.runs).await;
        let actions = self.member.as_mut().and_then(|member| member.actions.take());
        let stop_actions = async {
            if let Some(actions) = actions {
                actions.stop(times.drain).await;
            }
        };
        join(stop_actions, drain(&self.supervisor, times.drain)).await;
        self.manager.feed_watchdog();
        self.sinks.close(time_left(times.sinks)).await;
        self.manager.feed_watchdog();
        close_store(&self.store, times.store).await;
        if let Some(member) = self.member {
            member.leave(times.store).await;
        }
        if let Some(hooks) = self.hooks {
            hooks.stop(time_left(times.store)).await;
        }
        if let Some(api) = self.api {
            api.stop(time_left(times.store)).await;
        }
    }
}

/// Returns the time left until an instant; zero once it has passed.
fn time_left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// Delivers the remaining events, and logs the accounts that could not finish in time.
async fn drain(supervisor: &Addr<Supervisor>, until: Instant) {
    match supervisor.send(Shutdown { deadline: time_left(until) }).await {
        Ok(report) if report.abandoned.is_empty() => tracing::info!("all events are delivered"),
        Ok(report) => {
            let accounts = report.abandoned.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            tracing::warn!(
                accounts,
                "not all events are delivered; the rest is delivered after the next start"
            );
        }
        Err(error) => tracing::error!(%error, "the Supervisor has stopped"),
    }
}

/// Closes the store. Without an answer in time the file is left as after a kill: its last commit is whole.
async fn close_store(store: &Store, until: Instant) {
    if timeout_at(until, store.close()).await.is_err() {
        tracing::warn!("the store did not close in time; events since its last commit are delivered again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(deadline_ms: u64) -> [u64; 5] {
        let now = Instant::now();
        let times = ShutdownTimes::new(now, Duration::from_millis(deadline_ms));
        [times.runs, times.drain, times.sinks, times.store, times.end]
            .map(|until| u64::try_from((until - now).as_millis()).unwrap())
    }

    #[test]
    fn the_limit_covers_all_steps() {
        assert_eq!(parts(30_000), [9_500, 19_000, 24_000, 29_000, 30_000]);
        assert_eq!(parts(4_000), [750, 1_500, 2_500, 3_500, 4_000]);
        assert_eq!(parts(0), [0, 0, 0, 0, 0]);
    }

    #[test]
    fn without_output_the_host_does_not_wait_for_deliveries() {
        let cause = ShutdownCause::Output(OutputEnd::Closed);
        assert_eq!(cause.deadline(Duration::from_secs(30)), DEADLINE_WITHOUT_OUTPUT);
        assert_eq!(cause.deadline(Duration::from_secs(1)), Duration::from_secs(1));
    }
}
