//! A sink at work, with all that it has running.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use matterhost_actors::{policy::RestartPolicy, ports::EventSink};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    HandlerDeps,
    best_effort::BestEffortQueue,
    exec::Exec,
    filter::{self, FilteredSink},
    lines::{file, stdout::LineSink},
    metered::TimedSink,
    start_gate::StartGate,
    webhook::Webhook,
    worker::{self, Worker},
};
use crate::{
    config::{SinkConfig, SinkKind},
    telemetry::metrics::SinkMeter,
};

/// A sink with what the configuration says of it.
pub(super) struct RunningSink {
    pub(super) config: SinkConfig,
    /// Which it is, of all that were made: two of one name are told apart by it.
    pub(super) instance_id: u64,
    sink: Arc<dyn EventSink>,
    pub(super) worker: SinkWorker,
    /// Dropped when it has ended: then its turn comes who uses what it used.
    gone: watch::Sender<()>,
}

/// What a sink has running.
#[derive(Clone)]
pub(super) enum SinkWorker {
    /// The thread of standard output, which is the host's.
    Output,
    /// A thread that writes.
    Lines(LineSink, Option<BestEffortQueue>),
    /// A thread with a client.
    Webhook(Webhook, Option<BestEffortQueue>),
    /// A thread with a child.
    Exec(Exec, Option<BestEffortQueue>),
    /// Standard output with a queue before it.
    QueuedOutput(BestEffortQueue),
}

/// What only one sink may use at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExclusiveResource {
    /// A file that it writes.
    File(PathBuf),
    /// The place of a child, which may itself use what only one may.
    Child(Arc<str>),
}

impl ExclusiveResource {
    /// What a sink claims, if anything.
    pub(super) fn of(config: &SinkConfig) -> Option<Self> {
        match &config.kind {
            SinkKind::Stdout | SinkKind::Webhook(_) => None,
            SinkKind::File(file) => Some(Self::File(file.path.clone())),
            SinkKind::Exec(_) => Some(Self::Child(Arc::clone(&config.name))),
        }
    }
}

/// What a sink is made with besides its own configuration.
pub(super) struct SinkDeps {
    pub(super) instance_id: u64,
    pub(super) handler_deps: HandlerDeps,
    pub(super) restart: watch::Receiver<RestartPolicy>,
    pub(super) start_gate: StartGate,
    /// How it does is measured there.
    pub(super) meter: SinkMeter,
}

impl RunningSink {
    /// Starts a sink. `output` is standard output.
    pub(super) fn start(
        config: &SinkConfig,
        deps: SinkDeps,
        output: impl FnOnce() -> io::Result<LineSink>,
    ) -> io::Result<Self> {
        let SinkDeps { instance_id, handler_deps, restart, start_gate, meter } = deps;
        // Its answers are measured, and what nobody is to wait for has a queue before it.
        let timed = |sink| -> Arc<dyn EventSink> { Arc::new(TimedSink::new(sink, meter.clone())) };
        let queue = |sink: &Arc<dyn EventSink>| {
            let start = || BestEffortQueue::start(&config.name, Arc::clone(sink), meter.clone());
            config.best_effort.then(start).transpose()
        };
        let (sink, worker): (Arc<dyn EventSink>, SinkWorker) = match &config.kind {
            SinkKind::Stdout => {
                let sink = timed(Arc::new(output()?));
                let worker = queue(&sink)?.map_or(SinkWorker::Output, SinkWorker::QueuedOutput);
                (sink, worker)
            }
            SinkKind::File(file) => {
                let lines = file::start(&config.name, file.clone(), start_gate)?;
                let sink = timed(Arc::new(lines.clone()));
                let queue = queue(&sink)?;
                (sink, SinkWorker::Lines(lines, queue))
            }
            SinkKind::Webhook(webhook) => {
                let webhook = Webhook::start((**webhook).clone(), handler_deps)?;
                let sink = timed(Arc::new(webhook.clone()));
                let queue = queue(&sink)?;
                (sink, SinkWorker::Webhook(webhook, queue))
            }
            SinkKind::Exec(exec) => {
                let exec = Exec::start_gated(exec.clone(), restart, handler_deps, start_gate)?;
                let sink = timed(Arc::new(exec.clone()));
                let queue = queue(&sink)?;
                (sink, SinkWorker::Exec(exec, queue))
            }
        };
        let sink = worker.queue().map_or(sink, |queue| Arc::new(queue.clone()));
        Ok(Self { config: config.clone(), instance_id, sink, worker, gone: watch::Sender::new(()) })
    }

    /// What an account hands its events to.
    pub(super) fn sink(&self) -> Arc<dyn EventSink> {
        let (sink, filter) = (Arc::clone(&self.sink), self.config.filter.clone());
        if filter::accepts_all(&filter) { sink } else { Arc::new(FilteredSink { filter, sink }) }
    }

    /// When whoever comes after it may begin.
    pub(super) fn gate_after_end(&self) -> StartGate {
        StartGate::after(self.gone.subscribe())
    }

    /// Ends it when all that it was given is answered, or at the deadline: then what it has comes again elsewhere.
    pub(super) async fn end(self, deadline: Instant) {
        let Self { config, sink, worker, gone, .. } = self;
        if timeout_at(deadline, worker.wait_until_idle()).await.is_err() {
            tracing::warn!(
                sink = &*config.name,
                "the sink had not answered everything, and is ended all the same"
            );
        }
        drop(sink);
        if !worker.close().await {
            tracing::warn!(sink = &*config.name, "the sink has not ended, and is left behind");
        }
        drop(gone);
    }
}

/// How long threads may take to end that have nothing to do any more: a child gets a few seconds, a disk may be slow.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// What can be ended of a sink by force, whoever has the sink itself.
#[derive(Clone)]
pub(super) struct KillHandle {
    /// Its queue's thread and its own, in the order in which they are to end.
    pub(super) workers: [Option<Worker>; 2],
    child: Option<Exec>,
}

impl KillHandle {
    /// No child outlives the host.
    pub(super) fn kill(&self) {
        if let Some(child) = &self.child {
            child.kill();
        }
    }
}

impl SinkWorker {
    fn queue(&self) -> Option<&BestEffortQueue> {
        match self {
            Self::Output => None,
            Self::QueuedOutput(queue) => Some(queue),
            Self::Lines(_, queue) | Self::Webhook(_, queue) | Self::Exec(_, queue) => queue.as_ref(),
        }
    }

    /// The queue's own thread, and the sink's, in the order in which they are to end.
    fn workers(&self) -> [Option<Worker>; 2] {
        let own = match self {
            Self::Output | Self::QueuedOutput(_) | Self::Lines(..) => None,
            Self::Webhook(webhook, _) => Some(webhook.worker.clone()),
            Self::Exec(exec, _) => Some(exec.worker.clone()),
        };
        [self.queue().map(|queue| queue.worker.clone()), own]
    }

    /// Waits until all that it was given is answered.
    async fn wait_until_idle(&self) {
        if let Some(queue) = self.queue() {
            queue.wait_until_idle().await;
        }
        match self {
            // Lines are written to the last before their thread ends.
            Self::Output | Self::QueuedOutput(_) | Self::Lines(..) => {}
            Self::Webhook(webhook, _) => webhook.wait_until_idle().await,
            Self::Exec(exec, _) => exec.wait_until_idle().await,
        }
    }

    /// Ends its threads. Says whether they have.
    async fn close(self) -> bool {
        let end = Instant::now() + ENDS_WITHIN;
        for worker in self.workers().into_iter().flatten() {
            if timeout_at(end, worker::close_all(&[worker])).await.is_err() {
                self.kill();
                return false;
            }
        }
        let Self::Lines(lines, queue) = self else { return true };
        drop(queue);
        timeout_at(end, lines.end()).await.is_ok()
    }

    /// No child outlives the host.
    pub(super) fn kill(&self) {
        if let Self::Exec(exec, _) = self {
            exec.kill();
        }
    }

    /// What can be ended of it by force.
    pub(super) fn kill_handle(&self) -> KillHandle {
        let child = match self {
            Self::Exec(exec, _) => Some(exec.clone()),
            Self::Output | Self::Lines(..) | Self::Webhook(..) | Self::QueuedOutput(_) => None,
        };
        KillHandle { workers: self.workers(), child }
    }
}
