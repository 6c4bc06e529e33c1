//! The start and end of a host, on an existing actix thread or on a new one.

use std::{sync::Arc, thread, time::Duration};

use actix::{Actor as _, Addr, System};
use tokio::{
    runtime::Handle,
    sync::{broadcast, oneshot},
    time::Instant,
};

use super::{
    HostError,
    host::HostSpec,
    schedules::{HostedSchedules, StartedSchedules},
    state::StateOnDisk,
};
use crate::{
    hosting::{AddAccount, AddServer, Observer, Shutdown, ShutdownReport, Supervisor},
    model::Observation,
    ports::Poster,
};

/// The longest wait for the end of the state's file: a disk that needs more is stuck, and must not hold up the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// The part of the time of a shutdown in which runs of schedules have to end. The rest is for the events, whatever a run does.
const RUNS_PART: u32 = 2;

/// A running host.
///
/// If it is dropped without [`shutdown`](Self::shutdown), a host with its own thread ends at once; one on an existing actix
/// thread continues.
#[derive(Debug)]
pub struct RunningHost {
    supervisor: Addr<Supervisor>,
    observer: Observer,
    schedules: HostedSchedules,
    /// The schedules of the accounts' bots.
    started: Vec<StartedSchedules>,
    state: StateOnDisk,
    own_system: Option<OwnSystem>,
}

/// An actix system on a thread that the host started.
#[derive(Debug)]
struct OwnSystem {
    system: System,
    /// Resolves when the thread ends.
    ended: oneshot::Receiver<()>,
}

impl RunningHost {
    /// Returns the address of the Supervisor, which takes messages from any thread.
    pub fn supervisor(&self) -> &Addr<Supervisor> {
        &self.supervisor
    }

    /// Returns a stream of the observations from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Observation>> {
        self.observer.subscribe()
    }

    /// Shuts the host down within the deadline: runs of schedules that began end, events already received are handled, replies are
    /// posted, and acknowledgements are stored. A run that takes more than half of the time is given up, and happens again after the
    /// next start.
    pub async fn shutdown(mut self, deadline: Duration) -> ShutdownReport {
        let until = Instant::now() + deadline;
        self.started.clear();
        self.schedules.wait(Instant::now() + deadline / RUNS_PART).await;
        let deadline = until.saturating_duration_since(Instant::now());
        // The mailbox is closed if another Shutdown message has ended the Supervisor already.
        let report = self.supervisor.send(Shutdown { deadline }).await.unwrap_or_default();
        if tokio::time::timeout(CLOSE_WITHIN, self.state.close()).await.is_err() {
            let within = CLOSE_WITHIN.as_secs();
            tracing::error!(
                "the state is not closed after {within} s: its disk does not answer; nothing stored is lost, \
                and the next start takes longer"
            );
        }
        if let Some(mut own) = self.own_system.take() {
            own.system.stop();
            // An error means that the thread is gone, which is just as good.
            let _ = (&mut own.ended).await;
        }
        report
    }
}

impl Drop for RunningHost {
    fn drop(&mut self) {
        if let Some(own) = self.own_system.take() {
            own.system.stop();
        } else {
            self.started.drain(..).for_each(StartedSchedules::detach);
            self.schedules.detach();
        }
    }
}

pub(super) async fn start(spec: HostSpec) -> Result<RunningHost, HostError> {
    if System::is_registered() {
        start_on_this_thread(spec, None).await
    } else {
        start_on_new_thread(spec).await
    }
}

/// Starts the host on this thread, which has an actix system.
async fn start_on_this_thread(
    spec: HostSpec,
    own_system: Option<OwnSystem>,
) -> Result<RunningHost, HostError> {
    let observer = spec.observer;
    let supervisor = Supervisor::new(spec.settings).with_observer(observer.clone());
    let supervisor = match spec.store {
        Some(store) => supervisor.with_store(store),
        None => supervisor,
    };
    let supervisor = supervisor.start();
    let poster: Arc<dyn Poster> = Arc::new(supervisor.clone());
    let (mut problems, mut runners) = (Vec::new(), Vec::new());
    for server in spec.servers {
        problems.extend(supervisor.send(AddServer(server)).await.err().map(|error| error.to_string()));
    }
    for account in spec.accounts {
        let (spec, scheduled) = account.into_spec(poster.clone());
        let (account, server) = (spec.name.clone(), spec.server.clone());
        match supervisor.send(AddAccount(spec)).await {
            Ok(Ok(())) => runners.extend(scheduled.map(|bot| (bot, account, server))),
            Ok(Err(error)) => problems.push(error.to_string()),
            Err(error) => problems.push(error.to_string()),
        }
    }
    if problems.is_empty() {
        let schedules = HostedSchedules::new(spec.journal, observer.clone(), Handle::current());
        schedules.keep_only_bots(runners.iter().map(|(_, account, _)| (account, None)));
        let start = |(bot, account, server)| schedules.start_bot(bot, &account, &server, None);
        let started = runners.into_iter().map(start).collect();
        return Ok(RunningHost { supervisor, observer, schedules, started, state: spec.state, own_system });
    }
    // Stop the accounts that did start; their report is of no interest.
    let _ = supervisor.send(Shutdown { deadline: Duration::ZERO }).await;
    Err(HostError { problems })
}

/// Starts the host on a new thread with an actix system.
async fn start_on_new_thread(spec: HostSpec) -> Result<RunningHost, HostError> {
    let (started, start_result) = oneshot::channel();
    let run = move || {
        let runner = System::new();
        let (end, ended) = oneshot::channel();
        let own_system = OwnSystem { system: System::current(), ended };
        let result = runner.block_on(start_on_this_thread(spec, Some(own_system)));
        let is_running = result.is_ok();
        // If the caller has dropped its future, the host is dropped with the result and ends.
        let is_received = started.send(result).is_ok();
        if is_running && is_received {
            // The system ends only by `stop`, so its exit code is meaningless.
            let _ = runner.run();
        }
        let _ = end.send(());
    };
    let no_thread =
        |cause: String| HostError { problems: vec![format!("cannot start the host's thread: {cause}")] };
    thread::Builder::new()
        .name("matterhost".into())
        .spawn(run)
        .map_err(|error| no_thread(error.to_string()))?;
    start_result.await.unwrap_or_else(|_| Err(no_thread("it ended before the host had started".into())))
}

/// Waits for SIGINT, or SIGTERM on Unix.
pub(super) async fn wait_for_termination() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminated) = terminated {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    // Without signals, the host runs until its thread ends.
    if interrupted.await.is_err() {
        std::future::pending::<()>().await;
    }
}
