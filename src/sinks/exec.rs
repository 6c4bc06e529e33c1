//! Events as lines to a child process that answers them by lines.
//!
//! One child for the sink, as long as the sink lives: it is started again when it ends, hangs or closes its output,
//! by the restart budget that accounts have. What it had not answered then is offered again.

mod child_run;
mod process;
mod protocol;
mod restarts;
mod unanswered;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use matterhost_actors::{
    model::Event,
    policy::RestartPolicy,
    ports::{Delivered, EventSink, Outcome},
};
use tokio::{sync::watch, time::sleep_until};

use self::{
    child_run::{ChildRun, RunEnd},
    process::ProcessGroup,
    restarts::{ChildRestarts, NextStart},
};
use super::{
    HandlerDeps,
    handler::{Pause, ThrottledWarning},
    message::Message,
    queue::{JobReceiver, Queue},
    start_gate::StartGate,
    worker::{self, CloseSignal, Worker},
};
use crate::{config::ExecConfig, telemetry::time::human};

/// Soon enough that the child does not lie idle while events wait.
const FULL_RETRY: Duration = Duration::from_millis(50);

/// A child process, as accounts hand events to it. Clones hand them to the same one.
#[derive(Clone)]
pub(super) struct Exec {
    queue: Queue<Message>,
    /// While no child runs.
    down: Arc<Pause>,
    group: ProcessGroup,
    pub(super) worker: Worker,
}

/// The thread's own part.
struct Keeper {
    config: ExecConfig,
    handler_deps: HandlerDeps,
    restarts: ChildRestarts,
    down: Arc<Pause>,
    group: ProcessGroup,
    bad_lines: ThrottledWarning,
}

impl Exec {
    /// Starts the thread, and the child.
    pub(super) fn start(
        config: ExecConfig,
        policy: RestartPolicy,
        handler_deps: HandlerDeps,
    ) -> io::Result<Self> {
        Self::start_gated(config, watch::Sender::new(policy).subscribe(), handler_deps, StartGate::open())
    }

    /// The same, with the child when its turn comes, and a policy that may change.
    pub(super) fn start_gated(
        config: ExecConfig,
        policy: watch::Receiver<RestartPolicy>,
        handler_deps: HandlerDeps,
        start_gate: StartGate,
    ) -> io::Result<Self> {
        let (queue, jobs) = Queue::new();
        let (down, group) = (Arc::<Pause>::default(), ProcessGroup::default());
        let name = Arc::clone(&handler_deps.sink);
        let keeper = Keeper {
            bad_lines: ThrottledWarning::new(&handler_deps.sink, "a line of the handler cannot be used"),
            restarts: ChildRestarts::new(policy),
            down: Arc::clone(&down),
            group: group.clone(),
            config,
            handler_deps,
        };
        let worker = Worker::start(&name, move |closing| keeper.run(jobs, closing, start_gate))?;
        Ok(Self { queue, down, group, worker })
    }

    /// Kills the child with its whole group, at once.
    pub(super) fn kill(&self) {
        self.group.kill();
    }

    /// Waits until all that it was given is answered.
    pub(super) async fn wait_until_idle(&self) {
        self.queue.wait_until_idle().await;
    }

    /// Hands a message over.
    pub(super) fn submit(&self, message: Message) -> Delivered {
        self.worker.submit(&self.queue, message, queue_full())
    }
}

impl EventSink for Exec {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if let Some(left) = self.down.remaining() {
            return Delivered::Now(away(left));
        }
        if self.queue.is_full() {
            return Delivered::Now(queue_full());
        }
        self.submit(Message::from_event(event))
    }
}

fn queue_full() -> Outcome {
    Outcome::Retry { after: FULL_RETRY, cause: "as many wait as may".into() }
}

fn away(left: Duration) -> Outcome {
    Outcome::Retry { after: left, cause: "the handler does not run".into() }
}

impl Keeper {
    /// Keeps a child running, until told to end.
    async fn run(
        mut self,
        mut jobs: JobReceiver<Message>,
        mut closing: CloseSignal,
        mut start_gate: StartGate,
    ) {
        tokio::select! {
            () = worker::wait_for_close(&mut closing) => return,
            () = start_gate.wait() => {}
        }
        loop {
            self.restarts.child_started();
            let began = Instant::now();
            let end = match ChildRun::start(&self.config, &self.handler_deps, &self.group, &self.bad_lines) {
                Ok(child_run) => Box::pin(child_run.run(&mut jobs, &mut closing)).await,
                Err(error) => RunEnd::Fault(format!("it cannot be started: {error}")),
            };
            let RunEnd::Fault(cause) = end else { return };
            let next = self.restarts.child_ended(Instant::now(), began.elapsed());
            self.tell(&cause, next);
            let (NextStart::AfterBackoff(wait) | NextStart::AfterCooldown(wait)) = next;
            if !self.rest(wait, &mut jobs, &mut closing).await {
                return;
            }
        }
    }

    fn tell(&self, cause: &str, next: NextStart) {
        let sink = &*self.handler_deps.sink;
        match next {
            NextStart::AfterBackoff(wait) => {
                tracing::warn!(sink, "the handler failed: {cause}; starting it again in {}", human(wait));
            }
            NextStart::AfterCooldown(wait) => {
                let what = "its restart budget is spent; trying again in";
                tracing::error!(sink, "the handler failed: {cause}; {what} {}", human(wait));
            }
        }
    }

    /// Waits before the next start; says whether there is to be one. What comes meanwhile is sent back.
    async fn rest(&self, wait: Duration, jobs: &mut JobReceiver<Message>, closing: &mut CloseSignal) -> bool {
        self.down.begin(wait);
        let until = tokio::time::Instant::now() + wait;
        loop {
            tokio::select! {
                () = worker::wait_for_close(closing) => return false,
                () = sleep_until(until) => return true,
                job = jobs.recv() => match job {
                    Some(job) => job.settle(away(self.down.remaining().unwrap_or_default())),
                    None => return false,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests;
