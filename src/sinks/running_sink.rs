//! A running sink with its threads and its child.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use matterhost_actors::{
    bots::HostedSchedules,
    model::{AccountName, ServerName},
    policy::RestartPolicy,
    ports::EventSink,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    HandlerDeps,
    best_effort::BestEffortQueue,
    exec::{Exec, InTurn},
    filter::{self, FilteredSink},
    hook_places::HookPlaces,
    hosted_bots::HostedBots,
    letter_target::LetterTarget,
    lines::{file, stdout::LineSink},
    metered::TimedSink,
    monitor::SinkMonitor,
    nats::Nats,
    start_gate::StartGate,
    watched::WatchedSink,
    webhook::Webhook,
    worker::{self, Worker},
};
use crate::{
    config::{SinkConfig, SinkKind},
    telemetry::metrics::SinkMeter,
};

/// A running sink and its configuration.
pub(super) struct RunningSink {
    pub(super) config: SinkConfig,
    /// Unique in the process: it distinguishes two sinks of the same name.
    pub(super) instance_id: u64,
    sink: Arc<dyn EventSink>,
    hook_sinks: HookSinks,
    /// The places with its handler of events that a person waits for.
    pub(super) hooks: HookPlaces,
    pub(super) monitor: SinkMonitor,
    meter: SinkMeter,
    pub(super) worker: SinkWorker,
    /// The gate of its child, if it has one.
    child_gate: Option<StartGate>,
    /// Dropped once the sink has ended, which lets the sink that waits for the same file or child start.
    alive: watch::Sender<()>,
}

/// The sink for slash commands, buttons, menus and dialogs, which go past its best-effort queue.
struct HookSinks {
    /// The sink without its record of attempts, for events that are tried once.
    once: Arc<dyn EventSink>,
    /// The sink for events that its handler has taken for later, if it can say so.
    again: Option<Arc<dyn EventSink>>,
}

/// The threads of a sink.
#[derive(Clone)]
pub(super) enum SinkWorker {
    /// The thread of standard output, which belongs to the host.
    Output,
    /// A thread that writes lines to a file.
    Lines(LineSink, Option<BestEffortQueue>),
    /// A thread with an HTTP client.
    Webhook(Webhook, Option<BestEffortQueue>),
    /// A thread with a child process.
    Exec(Exec, Option<BestEffortQueue>),
    /// A thread with a connection to NATS.
    Nats(Nats, Option<BestEffortQueue>),
    /// Bots on the threads of their accounts.
    Bots(HostedBots, Option<BestEffortQueue>),
    /// Standard output behind a queue.
    QueuedOutput(BestEffortQueue),
}

/// A resource that only one sink may use at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExclusiveResource {
    /// The file that the sink writes.
    File(PathBuf),
    /// The sink's child, which may use exclusive resources itself.
    Child(Arc<str>),
}

impl ExclusiveResource {
    /// Returns the resource that a sink needs, if any.
    pub(super) fn of(config: &SinkConfig) -> Option<Self> {
        match &config.kind {
            SinkKind::Stdout | SinkKind::Webhook(_) | SinkKind::Nats(_) | SinkKind::Bot(_) => None,
            SinkKind::File(file) => Some(Self::File(file.path.clone())),
            SinkKind::Exec(_) => Some(Self::Child(Arc::clone(&config.name))),
        }
    }
}

/// The dependencies of a sink, besides its own configuration.
pub(super) struct SinkDeps {
    pub(super) instance_id: u64,
    pub(super) handler_deps: HandlerDeps,
    pub(super) restart: watch::Receiver<RestartPolicy>,
    pub(super) start_gate: StartGate,
    pub(super) meter: SinkMeter,
    /// Runs the schedules of bots in Rust.
    pub(super) schedules: Option<HostedSchedules>,
}

impl RunningSink {
    /// Starts a sink. `output` returns the sink for standard output.
    pub(super) fn start(
        config: &SinkConfig,
        deps: SinkDeps,
        output: impl FnOnce() -> io::Result<LineSink>,
    ) -> io::Result<Self> {
        let SinkDeps { instance_id, handler_deps, restart, start_gate, meter, schedules } = deps;
        let child_gate = matches!(config.kind, SinkKind::Exec(_)).then(|| start_gate.clone());
        let (watching, monitor) = (handler_deps.clone(), handler_deps.monitor.clone());
        let kept_meter = meter.clone();
        // Answers are timed behind the queue, so that the time in a best-effort queue does not count.
        let timed = |sink| -> Arc<dyn EventSink> { Arc::new(TimedSink::new(sink, meter.clone())) };
        let watched = |sink: &Arc<dyn EventSink>| -> Arc<dyn EventSink> {
            Arc::new(WatchedSink::new(Arc::clone(sink), watching.clone()))
        };
        let queue = |sink: &Arc<dyn EventSink>| {
            let start =
                || BestEffortQueue::start(&config.name, watched(sink), meter.clone(), monitor.clone());
            config.best_effort.then(start).transpose()
        };
        let (direct, worker): (Arc<dyn EventSink>, SinkWorker) = match &config.kind {
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
            SinkKind::Nats(nats) => {
                let nats = Nats::start((**nats).clone(), handler_deps)?;
                let sink = timed(Arc::new(nats.clone()));
                let queue = queue(&sink)?;
                (sink, SinkWorker::Nats(nats, queue))
            }
            SinkKind::Bot(bot) => {
                let bots = HostedBots::new(bot.clone(), handler_deps, schedules);
                let sink = timed(Arc::new(bots.clone()));
                let queue = queue(&sink)?;
                (sink, SinkWorker::Bots(bots, queue))
            }
        };
        let sink = worker.queue().map_or_else(|| watched(&direct), |queue| Arc::new(queue.clone()));
        let again = worker.child().map(|child| watched(&timed(Arc::new(InTurn(child.clone())))));
        let hook_sinks = HookSinks { once: direct, again };
        let alive = watch::Sender::new(());
        let (config, meter, hooks) = (config.clone(), kept_meter, HookPlaces::default());
        Ok(Self { config, instance_id, sink, hook_sinks, hooks, monitor, meter, worker, child_gate, alive })
    }

    /// Returns the sink for accounts, behind its filter if it has one.
    pub(super) fn sink(&self) -> Arc<dyn EventSink> {
        let (sink, filter) = (Arc::clone(&self.sink), self.config.filter.clone());
        if filter::accepts_all(&filter) {
            return sink;
        }
        Arc::new(FilteredSink { filter, sink, meter: self.meter.clone() })
    }

    /// Returns the sink for events that are tried once, as long as it runs. It has no filter.
    pub(super) fn direct(&self) -> Weak<dyn EventSink> {
        Arc::downgrade(&self.hook_sinks.once)
    }

    /// Returns the sink for events that its handler has taken for later, as long as it runs.
    pub(super) fn again(&self) -> Option<Weak<dyn EventSink>> {
        self.hook_sinks.again.as_ref().map(Arc::downgrade)
    }

    /// Prepares the sink for an account that delivers to it from now on.
    pub(super) fn add_account(&self, account: &AccountName, server: &ServerName) {
        if let SinkWorker::Bots(bots, _) = &self.worker {
            bots.add_account(account, server);
        }
    }

    /// Forgets an account that delivers to it no more.
    pub(super) fn forget_account(&self, account: &AccountName, server: &ServerName) {
        self.hooks.forget_account(account);
        if let SinkWorker::Bots(bots, _) = &self.worker {
            bots.forget_account(account, server);
        }
    }

    /// Begins no more runs of schedules.
    pub(super) fn stop_schedules(&self) {
        if let SinkWorker::Bots(bots, _) = &self.worker {
            bots.stop_schedules();
        }
    }

    /// Begins no more runs of schedules, and forgets them.
    pub(super) fn forget_schedules(&self) {
        if let SinkWorker::Bots(bots, _) = &self.worker {
            bots.forget_schedules();
        }
    }

    /// Returns a gate that opens once this sink has ended.
    pub(super) fn gate_after_end(&self) -> StartGate {
        StartGate::after(self.alive.subscribe())
    }

    /// Gives the child up if it has not started. Its events are delivered again, to the sink that replaces it: otherwise each
    /// of many quick changes would start a child for the events that came meanwhile, one after the other.
    pub(super) fn give_up_start(&self) {
        if self.child_gate.as_ref().is_some_and(StartGate::give_up) {
            self.worker.workers().into_iter().flatten().for_each(|worker| worker.close());
        }
    }

    /// Ends the sink once all its events are answered, at the latest at the deadline. Events without an answer are
    /// delivered again.
    pub(super) async fn end(self, deadline: Instant) {
        let Self { config, sink, hook_sinks, worker, child_gate, alive, .. } = self;
        if timeout_at(deadline, worker.wait_until_idle()).await.is_err() {
            tracing::warn!(sink = &*config.name, "the sink is ended with unanswered events");
        }
        drop((sink, hook_sinks));
        if !worker.close().await {
            tracing::warn!(sink = &*config.name, "the sink does not end; its thread is abandoned");
        }
        if let Some(mut gate) = child_gate {
            // Without a child of its own, the next one must still wait for the one before.
            gate.wait().await;
        }
        drop(alive);
    }
}

/// The time that idle threads have to end: a child gets a few seconds, and a disk may be slow.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(20);

/// A handle that ends the threads and the child of a sink without owning the sink.
#[derive(Clone)]
pub(super) struct KillHandle {
    /// The queue's thread and the sink's own, in the order in which they end.
    pub(super) workers: [Option<Worker>; 2],
    child: Option<Exec>,
}

impl KillHandle {
    /// Kills the child, if there is one.
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
            Self::Lines(_, queue)
            | Self::Webhook(_, queue)
            | Self::Exec(_, queue)
            | Self::Nats(_, queue)
            | Self::Bots(_, queue) => queue.as_ref(),
        }
    }

    /// Returns the queue's thread and the sink's own, in the order in which they end.
    fn workers(&self) -> [Option<Worker>; 2] {
        let own = match self {
            Self::Output | Self::QueuedOutput(_) | Self::Lines(..) | Self::Bots(..) => None,
            Self::Webhook(webhook, _) => Some(webhook.worker.clone()),
            Self::Exec(exec, _) => Some(exec.worker.clone()),
            Self::Nats(nats, _) => Some(nats.worker.clone()),
        };
        [self.queue().map(|queue| queue.worker.clone()), own]
    }

    /// Returns the far side that takes dead letters; `None` for a type without one.
    pub(super) fn letter_target(&self) -> Option<LetterTarget> {
        match self {
            Self::Output | Self::QueuedOutput(_) | Self::Lines(..) => None,
            Self::Webhook(webhook, _) => Some(LetterTarget::Webhook(webhook.clone())),
            Self::Exec(exec, _) => Some(LetterTarget::Exec(exec.clone())),
            Self::Nats(nats, _) => Some(LetterTarget::Nats(nats.clone())),
            Self::Bots(bots, _) => Some(LetterTarget::Bots(bots.clone())),
        }
    }

    /// Waits until all delivered events are answered.
    async fn wait_until_idle(&self) {
        if let Some(queue) = self.queue() {
            queue.wait_until_idle().await;
        }
        match self {
            // The thread writes all its lines before it ends.
            Self::Output | Self::QueuedOutput(_) | Self::Lines(..) => {}
            Self::Webhook(webhook, _) => webhook.wait_until_idle().await,
            Self::Exec(exec, _) => exec.wait_until_idle().await,
            Self::Nats(nats, _) => nats.wait_until_idle().await,
            Self::Bots(bots, _) => bots.wait_until_idle().await,
        }
    }

    /// Ends the threads. Returns false if one of them does not end in time.
    async fn close(self) -> bool {
        let deadline = Instant::now() + CLOSE_TIMEOUT;
        for worker in self.workers().into_iter().flatten() {
            if timeout_at(deadline, worker::close_all(&[worker])).await.is_err() {
                self.kill();
                return false;
            }
        }
        let Self::Lines(lines, queue) = self else { return true };
        drop(queue);
        timeout_at(deadline, lines.end()).await.is_ok()
    }

    /// Kills the child, if there is one.
    fn kill(&self) {
        if let Some(child) = self.child() {
            child.kill();
        }
    }

    pub(super) fn kill_handle(&self) -> KillHandle {
        KillHandle { workers: self.workers(), child: self.child().cloned() }
    }

    fn child(&self) -> Option<&Exec> {
        match self {
            Self::Exec(exec, _) => Some(exec),
            Self::Output
            | Self::Lines(..)
            | Self::Webhook(..)
            | Self::Nats(..)
            | Self::Bots(..)
            | Self::QueuedOutput(_) => None,
        }
    }
}
