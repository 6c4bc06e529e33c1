//! Hosts the accounts, until a signal comes or standard output ends.
mod accounts;
mod exit;
mod operations;
mod poster;
mod reload;
mod signals;
pub(crate) mod store;
pub mod systemd;

pub use self::exit::Exit;
pub use self::reload::{ReloadError, Reloader};

use std::{mem, sync::Arc, time::Duration};

use actix::{Actor as _, Addr, System};
use anyhow::Context as _;
use matterhost_actors::hosting::{Shutdown, Supervisor};
use tokio::sync::watch;

use self::{
    operations::HostOperations,
    poster::SupervisorPoster,
    reload::{FileWatch, HostDeps, HostState, ReloadTriggers},
    signals::{HangupSignals, Signals, StopSignal},
    store::Store,
    systemd::ServiceManager,
};
use crate::{
    admin::server::{AdminServer, Backend, Listener},
    config::{Config, Sources},
    sinks::{SinkRegistry, lines::stdout::OutputEnd, reply::ReplyPoster},
    telemetry::{facts, logging::LogLevelHandle, metrics::Metrics},
};

/// When standard output is gone nothing can be handed over any more: only the sockets are closed.
const NOTHING_TO_HAND_OVER: Duration = Duration::from_secs(1);

/// A handler that is told to end gets a few seconds, and is killed then.
const SINKS_CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// What the last commits, and closing the store, may take on a slow disk.
const STORE_CLOSES_WITHIN: Duration = Duration::from_secs(10);

/// Why the host ends.
enum End {
    Signal(StopSignal),
    Output(OutputEnd),
}

/// Hosts the accounts.
pub(crate) fn run(config: (Config, Sources), store: Store, level: LogLevelHandle) -> anyhow::Result<Exit> {
    let runner = System::new();
    let exit = runner.block_on(host(config, store, level));
    // To drop it would be to wait for name lookups under way, which can take half a minute.
    mem::forget(runner);
    exit
}

async fn host(
    (config, sources): (Config, Sources),
    store: Store,
    level: LogLevelHandle,
) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen().context("signals cannot be listened to")?;
    let hangups = HangupSignals::listen().context("signals cannot be listened to")?;
    let manager = ServiceManager::from_env();
    let listener = listen(&config)?;
    let mut supervisor = Supervisor::new(config.host.clone());
    if let Some(cursors) = store.cursors() {
        supervisor = supervisor.with_store(cursors);
    }
    let metrics = Metrics::new(config.metrics.per_account);
    actix_rt::spawn(facts::log(supervisor.observer().subscribe()));
    actix_rt::spawn(metrics.clone().watch(supervisor.observer().subscribe()));
    let observer = supervisor.observer();
    let supervisor = supervisor.start();
    let (reloader, requests) = Reloader::new();
    let operations =
        Arc::new(HostOperations::new(level.clone(), metrics.clone(), supervisor.clone(), reloader));
    let backend = Backend::new(&config.admin, supervisor.clone(), &observer, operations.clone());
    let reply_poster: Arc<dyn ReplyPoster> = Arc::new(SupervisorPoster(supervisor.clone()));
    let sinks = SinkRegistry::start(&config, &reply_poster, &metrics)?;
    let output = sinks.subscribe_output_end();
    let deps =
        HostDeps { supervisor: supervisor.clone(), operations, level, metrics, manager: manager.clone() };
    let mut hosting = HostState::start((config, sources), sinks, deps).await?;
    let admin = listener.map(|listener| answer(listener, backend)).transpose()?;
    manager.ready();
    actix_rt::spawn(manager.clone().watch(supervisor.clone()));
    let mut triggers = ReloadTriggers { requests, hangups, files: FileWatch::new() };
    let end = tokio::select! {
        asked = signals.next() => End::Signal(asked),
        ended = output_ended(output) => End::Output(ended),
        never = hosting.run(&mut triggers) => match never {},
    };
    let HostState { config, sinks, .. } = hosting;
    let (deadline, exit) = tell(&end, config.shutdown_deadline);
    manager.stopping(deadline + SINKS_CLOSE_WITHIN + STORE_CLOSES_WITHIN);
    let stopped = async {
        stop(&supervisor, deadline).await;
        manager.feed_watchdog();
        sinks.close(SINKS_CLOSE_WITHIN).await;
        manager.feed_watchdog();
        store.close().await;
        if let Some(admin) = admin {
            admin.stop().await;
        }
    };
    tokio::select! {
        () = stopped => Ok(exit),
        asked = signals.next() => {
            tracing::warn!(signal = asked.name(), "ending at once; what was not handed over is lost here");
            Ok(asked.forced_exit())
        }
    }
}

/// Opens the door of the admin API. A usual place that is taken is no reason to leave bots alone.
fn listen(config: &Config) -> anyhow::Result<Option<Listener>> {
    match Listener::bind(&config.admin) {
        Ok(listener) => Ok(listener),
        Err(error) if !error.explicit => {
            let remedy = "set admin.bind to a free address, or admin.enabled = false";
            tracing::warn!("the admin API is left out: {error}; {remedy}");
            Ok(None)
        }
        Err(error) => Err(error).context("the admin API cannot be reached; set admin.bind to a free address"),
    }
}

fn answer(listener: Listener, backend: Backend) -> anyhow::Result<AdminServer> {
    let url = listener.url();
    let admin = AdminServer::start(listener, backend).context("the admin API cannot be started")?;
    tracing::info!(url, "the admin API answers");
    Ok(admin)
}

/// Waits for the end of standard output; for ever, when nothing goes there.
async fn output_ended(mut ended: watch::Receiver<Option<OutputEnd>>) -> OutputEnd {
    match ended.wait_for(Option::is_some).await {
        Ok(ended) => ended.clone().unwrap_or(OutputEnd::Closed),
        Err(_) => OutputEnd::Closed,
    }
}

/// Says why the host ends; how long that may take, and how it will have ended.
fn tell(end: &End, deadline: Duration) -> (Duration, Exit) {
    match end {
        End::Signal(asked) => {
            let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(signal = asked.name(), deadline_ms, "handing over what was heard, then ending");
            (deadline, Exit::Success)
        }
        End::Output(OutputEnd::Closed) => {
            tracing::info!("standard output was closed; ending");
            (NOTHING_TO_HAND_OVER.min(deadline), Exit::Success)
        }
        End::Output(OutputEnd::Failed(cause)) => {
            tracing::error!(cause, "standard output cannot be written; ending");
            (NOTHING_TO_HAND_OVER.min(deadline), Exit::Failed)
        }
    }
}

async fn stop(supervisor: &Addr<Supervisor>, deadline: Duration) {
    match supervisor.send(Shutdown { deadline }).await {
        Ok(report) if report.abandoned.is_empty() => tracing::info!("all is handed over"),
        Ok(report) => {
            let accounts = report.abandoned.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            tracing::warn!(accounts, "not all could be handed over in time");
        }
        Err(error) => tracing::error!(%error, "the Supervisor is gone"),
    }
}
