//! A sink at work, with all that it has running.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use matterhost_actors::{policy::RestartPolicy, ports::EventSink};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    Supplies,
    best_effort::BestEffort,
    exec::Exec,
    filter::{self, Filtered},
    lines::{file, stdout::LineSink},
    metered::Timed,
    start_gate::Turn,
    webhook::Webhook,
    worker::{self, Worker},
};
use crate::{
    config::{SinkConfig, SinkKind},
    telemetry::metrics::SinkMeter,
};

/// A sink with what the configuration says of it.
pub(super) struct Made {
    pub(super) config: SinkConfig,
    /// Which it is, of all that were made: two of one name are told apart by it.
    pub(super) number: u64,
    sink: Arc<dyn EventSink>,
    pub(super) work: Work,
    /// Dropped when it has ended: then its turn comes who uses what it used.
    gone: watch::Sender<()>,
}

/// What a sink has running.
#[derive(Clone)]
pub(super) enum Work {
    /// The thread of standard output, which is the host's.
    Output,
    /// A thread that writes.
    Lines(LineSink, Option<BestEffort>),
    /// A thread with a client.
    Webhook(Webhook, Option<BestEffort>),
    /// A thread with a child.
    Exec(Exec, Option<BestEffort>),
    /// Standard output with a queue before it.
    QueuedOutput(BestEffort),
}

/// What only one sink may use at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// A file that it writes.
    File(PathBuf),
    /// The place of a child, which may itself use what only one may.
    Child(Arc<str>),
}

impl Claim {
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
pub(super) struct Means {
    pub(super) number: u64,
    pub(super) supplies: Supplies,
    pub(super) restart: watch::Receiver<RestartPolicy>,
    pub(super) turn: Turn,
    /// How it does is measured there.
    pub(super) meter: SinkMeter,
}

impl Made {
    /// Starts a sink. `output` is standard output.
    pub(super) fn start(
        config: &SinkConfig,
        means: Means,
        output: impl FnOnce() -> io::Result<LineSink>,
    ) -> io::Result<Self> {
        let Means { number, supplies, restart, turn, meter } = means;
        // Its answers are measured, and what nobody is to wait for has a queue before it.
        let timed = |sink| -> Arc<dyn EventSink> { Arc::new(Timed::new(sink, meter.clone())) };
        let queue = |sink: &Arc<dyn EventSink>| {
            let start = || BestEffort::start(&config.name, Arc::clone(sink), meter.clone());
            config.best_effort.then(start).transpose()
        };
        let (sink, work): (Arc<dyn EventSink>, Work) = match &config.kind {
            SinkKind::Stdout => {
                let sink = timed(Arc::new(output()?));
                let work = queue(&sink)?.map_or(Work::Output, Work::QueuedOutput);
                (sink, work)
            }
            SinkKind::File(file) => {
                let lines = file::start(&config.name, file.clone(), turn)?;
                let sink = timed(Arc::new(lines.clone()));
                let queue = queue(&sink)?;
                (sink, Work::Lines(lines, queue))
            }
            SinkKind::Webhook(webhook) => {
                let webhook = Webhook::start((**webhook).clone(), supplies)?;
                let sink = timed(Arc::new(webhook.clone()));
                let queue = queue(&sink)?;
                (sink, Work::Webhook(webhook, queue))
            }
            SinkKind::Exec(exec) => {
                let exec = Exec::start_after(exec.clone(), restart, supplies, turn)?;
                let sink = timed(Arc::new(exec.clone()));
                let queue = queue(&sink)?;
                (sink, Work::Exec(exec, queue))
            }
        };
        let sink = work.queue().map_or(sink, |queue| Arc::new(queue.clone()));
        Ok(Self { config: config.clone(), number, sink, work, gone: watch::Sender::new(()) })
    }

    /// What an account hands its events to.
    pub(super) fn sink(&self) -> Arc<dyn EventSink> {
        let (sink, filter) = (Arc::clone(&self.sink), self.config.filter.clone());
        if filter::takes_all(&filter) { sink } else { Arc::new(Filtered { filter, sink }) }
    }

    /// When whoever comes after it may begin.
    pub(super) fn turn_after(&self) -> Turn {
        Turn::after(self.gone.subscribe())
    }

    /// Ends it when all that it was given is answered, or at the deadline: then what it has comes again elsewhere.
    pub(super) async fn end(self, deadline: Instant) {
        let Self { config, sink, work, gone, .. } = self;
        if timeout_at(deadline, work.idle()).await.is_err() {
            tracing::warn!(
                sink = &*config.name,
                "the sink had not answered everything, and is ended all the same"
            );
        }
        drop(sink);
        if !work.close().await {
            tracing::warn!(sink = &*config.name, "the sink has not ended, and is left behind");
        }
        drop(gone);
    }
}

/// How long threads may take to end that have nothing to do any more: a child gets a few seconds, a disk may be slow.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// What can be ended of a sink by force, whoever has the sink itself.
#[derive(Clone)]
pub(super) struct Hold {
    /// Its queue's thread and its own, in the order in which they are to end.
    pub(super) workers: [Option<Worker>; 2],
    child: Option<Exec>,
}

impl Hold {
    /// No child outlives the host.
    pub(super) fn kill(&self) {
        if let Some(child) = &self.child {
            child.kill();
        }
    }
}

impl Work {
    fn queue(&self) -> Option<&BestEffort> {
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
    async fn idle(&self) {
        if let Some(queue) = self.queue() {
            queue.idle().await;
        }
        match self {
            // Lines are written to the last before their thread ends.
            Self::Output | Self::QueuedOutput(_) | Self::Lines(..) => {}
            Self::Webhook(webhook, _) => webhook.idle().await,
            Self::Exec(exec, _) => exec.idle().await,
        }
    }

    /// Ends its threads. Says whether they have.
    async fn close(self) -> bool {
        let end = Instant::now() + ENDS_WITHIN;
        for worker in self.workers().into_iter().flatten() {
            if timeout_at(end, worker::end(&[worker])).await.is_err() {
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
    pub(super) fn hold(&self) -> Hold {
        let child = match self {
            Self::Exec(exec, _) => Some(exec.clone()),
            Self::Output | Self::Lines(..) | Self::Webhook(..) | Self::QueuedOutput(_) => None,
        };
        Hold { workers: self.workers(), child }
    }
}
