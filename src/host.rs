//! The host: builds the actors and sinks from the configuration, runs them, and shuts them down.

mod account_changes;
mod accounts;
mod admin_api;
mod cluster;
mod exit;
mod hooks;
mod known_accounts;
mod operations;
mod reload;
mod shutdown;
mod signals;
mod sinks;
mod store;
pub mod systemd;

pub use self::{
    exit::Exit,
    reload::{ReloadError, Reloader},
};
pub(crate) use self::{reload::log_warnings, sinks::HostSinks};

use std::{mem, sync::Arc, time::Duration};

use actix::{Actor as _, System};
use anyhow::Context as _;
use matterhost_actors::{
    bots::HostedSchedules,
    hosting::{Observer, Supervisor},
};
#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::{sync::watch, time::Instant};

use self::{
    accounts::{HostDeps, HostState},
    admin_api::{BoundApi, PreparedApi},
    cluster::{ClusterMember, PreparedCluster},
    hooks::{BoundHooks, HookDeps},
    operations::HostOperations,
    reload::{FileWatch, ReloadTriggers},
    shutdown::{RunningHost, ShutdownCause, ShutdownTimes},
    signals::{HangupSignals, StopSignals},
    store::Store,
    systemd::ServiceManager,
};
use crate::{
    admin::server::{HostedAccounts, Operations as _},
    cluster::Topic,
    config::{Config, Sources},
    hooks::HookService,
    sinks::{SinkRegistry, lines::stdout::OutputEnd},
    telemetry::{
        facts::FactLog,
        logging::{self, LogLevelHandle},
        metrics::Metrics,
    },
};

/// Time for the process to exit after the last step, before the service manager kills it.
const SYSTEMD_MARGIN: Duration = Duration::from_secs(5);

/// Keeps other processes of the same user, such as the handlers that sinks start, from reading the tokens in the memory
/// and in the environment of this process, and keeps them out of core dumps.
pub(crate) fn protect_memory() {
    #[cfg(target_os = "linux")]
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "cannot protect the memory of the process");
    }
}

/// Runs the host until a signal or the end of standard output.
pub(crate) fn run(config: Config, sources: Sources, level: LogLevelHandle) -> anyhow::Result<Exit> {
    // The members of a cluster share their state.
    let store = if config.cluster.is_some() { Ok(Store::Memory) } else { Store::open(&config.state) };
    let store = match store {
        Ok(store) => store,
        Err(error) => {
            tracing::error!("{error}");
            return Ok(Exit::Config);
        }
    };
    let runner = System::new();
    let exit = runner.block_on(run_until_stopped(config, sources, store, level));
    // Dropping it would wait for pending name lookups, which can take half a minute.
    mem::forget(runner);
    exit
}

/// Creates the Supervisor on the store of the host, or on that of its cluster.
fn new_supervisor(config: &Config, cluster: Option<&PreparedCluster>, own: Store) -> (Supervisor, Store) {
    let supervisor = Supervisor::new(config.host.clone());
    let (supervisor, store) = match cluster {
        Some(cluster) => {
            let supervisor = supervisor.with_fence(cluster.fence());
            (supervisor.with_witness_relay(cluster.witness_relay()), cluster.store())
        }
        None => (supervisor, own),
    };
    match store.cursors() {
        Some(cursors) => (supervisor.with_store(cursors), store),
        None => (supervisor, store),
    }
}

/// Returns the observer whose facts are logged and counted.
fn follow_facts(metrics: &Metrics) -> Observer {
    let log = FactLog::default();
    let (routine_log, routine_metrics) = (log.clone(), metrics.clone());
    let observer = Observer::default().with_routine(move |observation| {
        routine_metrics.observe(observation);
        routine_log.log(observation);
    });
    actix_rt::spawn(log.follow(observer.subscribe()));
    actix_rt::spawn(metrics.clone().watch(observer.subscribe()));
    observer
}

async fn run_until_stopped(
    config: Config,
    sources: Sources,
    store: Store,
    level: LogLevelHandle,
) -> anyhow::Result<Exit> {
    let mut signals = StopSignals::listen().context("cannot listen for signals")?;
    let hangups = HangupSignals::listen().context("cannot listen for signals")?;
    let manager = ServiceManager::from_env();
    let api = BoundApi::bind(&config.admin)?;
    let reply_tokens = api.as_ref().map(BoundApi::reply_tokens);
    let cluster = PreparedCluster::connect(config.cluster.as_ref()).await?;
    let (supervisor, store) = new_supervisor(&config, cluster.as_ref(), store);
    let metrics = Metrics::new(config.metrics.per_account);
    let bound_hooks = BoundHooks::bind(config.hooks.as_ref(), &metrics)?;
    let observer = follow_facts(&metrics);
    let supervisor = supervisor.with_observer(observer.clone());
    let schedules = match HostedSchedules::load(store::schedule_file(&config), observer.clone()) {
        Ok(schedules) => schedules,
        Err(problem) => {
            tracing::error!("{problem}");
            return Ok(Exit::Config);
        }
    };
    let supervisor = supervisor.start();
    let (reloader, requests) = Reloader::new();
    let operations =
        Arc::new(HostOperations::new(level.clone(), metrics.clone(), supervisor.clone(), reloader));
    let (poster, hooks) = hooks::poster(cluster::poster(&supervisor, cluster.as_ref()), bound_hooks.as_ref());
    // Before the accounts start, so that its log of events is complete.
    let api = api.map(|api| {
        api.with_backend(&config.admin, supervisor.clone(), &observer, operations.clone(), &poster)
    });
    let sinks = SinkRegistry::start(&config, &poster, &metrics, reply_tokens, Some(schedules))?;
    operations.set_sinks(HostSinks::new(sinks.board().clone(), supervisor.clone()));
    let hook_service = hooks.clone();
    let hooks = HookDeps::start(hooks, sinks.board(), config.hooks.as_ref());
    let output = sinks.subscribe_output_end();
    let known = operations.known_accounts();
    let deps = HostDeps {
        supervisor: supervisor.clone(),
        operations,
        level,
        metrics,
        manager: manager.clone(),
        hooks,
    };
    let (member, shards) = cluster.map(|cluster| cluster.join(&config, &poster, known, &observer)).unzip();
    serve_members(member.as_ref(), &deps, hook_service);
    let mut state = HostState::start(config, sources, sinks, deps, shards).await?;
    let api = api.map(PreparedApi::start).transpose()?;
    let hooks = bound_hooks.map(BoundHooks::start).transpose()?;
    manager.ready();
    actix_rt::spawn(manager.clone().watch(supervisor.clone()));
    let mut triggers = ReloadTriggers { requests, hangups, files: FileWatch::new() };
    let cause = tokio::select! {
        signal = signals.next() => ShutdownCause::Signal(signal),
        ended = output_ended(output) => ShutdownCause::Output(ended),
        never = state.run_reloads(&mut triggers) => match never {},
    };
    let HostState { config, sinks, .. } = state;
    let running = RunningHost { supervisor, sinks, store, api, hooks, manager, member };
    Ok(shut_down(running, &cause, config.shutdown_deadline, &mut signals).await)
}

/// Answers the other members of the cluster, if the host is in one, and lets the API and the hooks ask them.
fn serve_members(member: Option<&ClusterMember>, deps: &HostDeps, hooks: Option<HookService>) {
    let Some(member) = member else { return };
    deps.operations.set_cluster(member.handle());
    if let Some((hooks, members)) = hooks.as_ref().zip(deps.operations.members()) {
        hooks.set_members(members);
    }
    let hosted = HostedAccounts::new(deps.supervisor.clone(), deps.operations.clone());
    actix_rt::spawn(cluster::answer_about_accounts(member.questions(Topic::Accounts), hosted));
    actix_rt::spawn(member.user_news().hear(deps.supervisor.clone()));
    actix_rt::spawn(cluster::answer_hooks(member.questions(Topic::Hooks), hooks));
}

/// Shuts down within the time limit, or at once after a second signal. Returns the exit status.
async fn shut_down(
    running: RunningHost,
    cause: &ShutdownCause,
    limit: Duration,
    signals: &mut StopSignals,
) -> Exit {
    let exit = cause.log();
    let deadline = cause.deadline(limit);
    let times = ShutdownTimes::new(Instant::now(), deadline);
    logging::limit_flush(times.end.into_std());
    running.manager.stopping(deadline + SYSTEMD_MARGIN);
    tokio::select! {
        () = running.stop(times) => exit,
        signal = signals.next() => {
            tracing::warn!(signal = signal.name(), "second signal: exiting without delivering the remaining events");
            signal.forced_exit()
        }
    }
}

/// Waits for the end of standard output; forever if no sink writes to it.
async fn output_ended(mut ended: watch::Receiver<Option<OutputEnd>>) -> OutputEnd {
    match ended.wait_for(Option::is_some).await {
        Ok(ended) => ended.clone().unwrap_or(OutputEnd::Closed),
        Err(_) => OutputEnd::Closed,
    }
}
