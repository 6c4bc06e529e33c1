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
    file,
    filter::{self, Filtered},
    stdout::LineSink,
    turn::Turn,
    webhook::Webhook,
    worker::{self, Worker},
};
use crate::config::{SinkConfig, SinkKind};

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
}

impl Made {
    /// Starts a sink. `output` is standard output.
    pub(super) fn start(
        config: &SinkConfig,
        means: Means,
        output: impl FnOnce() -> io::Result<LineSink>,
    ) -> io::Result<Self> {
        let Means { number, supplies, restart, turn } = means;
        let queue = |sink: &Arc<dyn EventSink>| {
            config.best_effort.then(|| BestEffort::start(&config.name, Arc::clone(sink))).transpose()
        };
        let (sink, work): (Arc<dyn EventSink>, Work) = match &config.kind {
            SinkKind::Stdout => {
                let sink: Arc<dyn EventSink> = Arc::new(output()?);
                let work = queue(&sink)?.map_or(Work::Output, Work::QueuedOutput);
                (sink, work)
            }
            SinkKind::File(file) => {
                let lines = file::start(&config.name, file.clone(), turn)?;
                let sink: Arc<dyn EventSink> = Arc::new(lines.clone());
                let queue = queue(&sink)?;
                (sink, Work::Lines(lines, queue))
            }
            SinkKind::Webhook(webhook) => {
                let webhook = Webhook::start((**webhook).clone(), supplies)?;
                let sink: Arc<dyn EventSink> = Arc::new(webhook.clone());
                let queue = queue(&sink)?;
                (sink, Work::Webhook(webhook, queue))
            }
            SinkKind::Exec(exec) => {
                let exec = Exec::start_after(exec.clone(), restart, supplies, turn)?;
                let sink: Arc<dyn EventSink> = Arc::new(exec.clone());
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
        work.close().await;
        drop(gone);
    }
}

/// How long a thread may take to end that has nothing to do any more: a disk may be slow.
const LAST_WRITE: Duration = Duration::from_secs(5);

impl Work {
    fn queue(&self) -> Option<&BestEffort> {
        match self {
            Self::Output => None,
            Self::QueuedOutput(queue) => Some(queue),
            Self::Lines(_, queue) | Self::Webhook(_, queue) | Self::Exec(_, queue) => queue.as_ref(),
        }
    }

    /// The queue's own thread, and the sink's, in the order in which they are to end.
    pub(super) fn workers(&self) -> [Option<Worker>; 2] {
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

    async fn close(self) {
        for worker in self.workers().into_iter().flatten() {
            worker::end(&[worker]).await;
        }
        if let Self::Lines(lines, queue) = self {
            drop(queue);
            // One who was told of another sink may hold it for a moment.
            let _ = timeout_at(Instant::now() + LAST_WRITE, lines.end()).await;
        }
    }

    /// No child outlives the host.
    pub(super) fn kill(&self) {
        if let Self::Exec(exec, _) = self {
            exec.kill();
        }
    }
}
