//! A host that runs, on a thread of actix or on one of its own.

use std::{sync::Arc, thread, time::Duration};

use actix::{Actor as _, Addr, System};
use tokio::sync::{broadcast, oneshot};

use super::{HostError, host::HostSpec};
use crate::{
    hosting::{AddAccount, AddServer, Observer, Shutdown, ShutdownReport, Supervisor},
    model::Observation,
    ports::Poster,
};

/// A host that runs. Dropped without [`shutdown`](Self::shutdown) it goes on where it is on a thread of actix, and ends
/// at once where it has a thread of its own.
#[derive(Debug)]
pub struct RunningHost {
    supervisor: Addr<Supervisor>,
    observer: Observer,
    own: Option<OwnSystem>,
}

/// A system on a thread of its own.
#[derive(Debug)]
struct OwnSystem {
    system: System,
    /// Told when the thread is at its end.
    ended: oneshot::Receiver<()>,
}

impl RunningHost {
    /// The Supervisor, for any message: it may be asked from every thread.
    pub fn supervisor(&self) -> &Addr<Supervisor> {
        &self.supervisor
    }

    /// Hears what happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Observation>> {
        self.observer.subscribe()
    }

    /// Ends the host in order: what was heard is handled, what was said is posted, and where it stands is kept, within
    /// the deadline.
    pub async fn shutdown(mut self, deadline: Duration) -> ShutdownReport {
        // Its mailbox is closed when somebody else has ended it already.
        let report = self.supervisor.send(Shutdown { deadline }).await.unwrap_or_default();
        if let Some(mut own) = self.own.take() {
            own.system.stop();
            // It is at its end, or gone: both are what is waited for.
            let _ = (&mut own.ended).await;
        }
        report
    }
}

impl Drop for RunningHost {
    fn drop(&mut self) {
        if let Some(own) = self.own.take() {
            own.system.stop();
        }
    }
}

/// Starts what was planned.
pub(super) async fn start(spec: HostSpec) -> Result<RunningHost, HostError> {
    if System::is_registered() { start_here(spec, None).await } else { start_beside(spec).await }
}

/// On this thread, which is one of actix.
async fn start_here(spec: HostSpec, own: Option<OwnSystem>) -> Result<RunningHost, HostError> {
    let observer = spec.observer;
    let supervisor = Supervisor::new(spec.settings).with_observer(observer.clone());
    let supervisor = match spec.store {
        Some(store) => supervisor.with_store(store),
        None => supervisor,
    };
    let supervisor = supervisor.start();
    let poster: Arc<dyn Poster> = Arc::new(supervisor.clone());
    let mut problems = Vec::new();
    for server in spec.servers {
        problems.extend(supervisor.send(AddServer(server)).await.err().map(|error| error.to_string()));
    }
    for account in spec.accounts {
        match supervisor.send(AddAccount(account.into_spec(poster.clone()))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => problems.push(error.to_string()),
            Err(error) => problems.push(error.to_string()),
        }
    }
    if problems.is_empty() {
        return Ok(RunningHost { supervisor, observer, own });
    }
    // What was started before the problem ends with it, and so does its report.
    let _ = supervisor.send(Shutdown { deadline: Duration::ZERO }).await;
    Err(HostError { problems })
}

/// On a thread of its own, with a system of actix.
async fn start_beside(spec: HostSpec) -> Result<RunningHost, HostError> {
    let (started, is_started) = oneshot::channel();
    let run = move || {
        let runner = System::new();
        let (end, ended) = oneshot::channel();
        let own = OwnSystem { system: System::current(), ended };
        let running = runner.block_on(start_here(spec, Some(own)));
        let runs = running.is_ok();
        // Whoever asked is gone: then what was started ends with the answer.
        let asked = started.send(running).is_ok();
        if runs && asked {
            // It ends as it was told to: there is nothing to report.
            let _ = runner.run();
        }
        let _ = end.send(());
    };
    let no_thread = |cause: String| HostError { problems: vec![format!("no thread for the host: {cause}")] };
    thread::Builder::new()
        .name("matterhost".into())
        .spawn(run)
        .map_err(|error| no_thread(error.to_string()))?;
    is_started.await.unwrap_or_else(|_| Err(no_thread("it ended".into())))
}

/// Waits until the process is told to end.
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
    // Without signals it runs until its thread ends.
    if interrupted.await.is_err() {
        std::future::pending::<()>().await;
    }
}
