//! The exec sink: events go as lines to a child process, which answers by lines.
//!
//! The sink has one child. If the child exits, hangs or closes its output, it is restarted, and its unanswered events are
//! delivered again. An event with which it fails three times becomes a dead letter. Failures without an event to blame
//! are charged under the same policy as those of accounts.

mod child_lines;
mod child_run;
mod descendants;
mod exec_state;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod input;
mod process_group;
mod protocol;
mod restarts;
mod result_line;
mod trial;
mod unanswered;

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use matterhost_actors::{
    model::Event,
    policy::RestartPolicy,
    ports::{Delivered, EventSink, Outcome},
};
use tokio::{
    sync::{Semaphore, watch},
    time::{sleep, sleep_until},
};

use self::{
    child_run::{ChildRun, RunEnd},
    exec_state::ExecState,
    process_group::ProcessGroup,
    restarts::{ChildRestarts, NextStart, SHORTEST_DELAY},
};
use super::{
    HandlerDeps,
    failing_events::FailingEvents,
    handler::{Pause, ThrottledWarning},
    hook_events::is_hook,
    message::{Course, Message},
    monitor::{CommandReceiver, SinkMonitor},
    queue::{JobReceiver, Queue},
    shared_slots::SharedSlots,
    start_gate::StartGate,
    worker::{self, CloseSignal, Worker},
};
use crate::{actions::FileDir, config::ExecConfig, telemetry::time::human};

/// Short, so that the child is not idle while events wait.
const FULL_RETRY: Duration = Duration::from_millis(50);

/// The cause of an event that a child did not answer before it ended.
const ENDED: &str = "the handler ended";

/// The accounts' handle of a child process. Clones share one child.
#[derive(Clone)]
pub(super) struct Exec {
    queue: Queue<Message>,
    /// In force while no child runs.
    down: Arc<Pause>,
    monitor: SinkMonitor,
    group: ProcessGroup,
    pub(super) worker: Worker,
}

/// The task on the sink's thread, which keeps a child running.
struct ChildKeeper {
    config: ExecConfig,
    state: Rc<ExecState>,
    restarts: ChildRestarts,
    down: Arc<Pause>,
    group: ProcessGroup,
    bad_lines: ThrottledWarning,
    commands: CommandReceiver,
}

impl Exec {
    /// Starts the thread and the child.
    #[cfg(test)]
    pub(super) fn start(
        config: ExecConfig,
        policy: RestartPolicy,
        handler_deps: HandlerDeps,
    ) -> io::Result<Self> {
        Self::start_gated(config, watch::Sender::new(policy).subscribe(), handler_deps, StartGate::open())
    }

    /// Starts the thread now and the child once the gate opens, with a policy that may change.
    pub(super) fn start_gated(
        config: ExecConfig,
        policy: watch::Receiver<RestartPolicy>,
        handler_deps: HandlerDeps,
        start_gate: StartGate,
    ) -> io::Result<Self> {
        let (queue, jobs) = Queue::new();
        let (down, group) = (Arc::<Pause>::default(), ProcessGroup::default());
        let (name, monitor) = (Arc::clone(&handler_deps.sink), handler_deps.monitor.clone());
        let (keeper_down, keeper_group) = (Arc::clone(&down), group.clone());
        let work = move |closing| async move {
            let keeper = ChildKeeper::new(config, policy, handler_deps, keeper_down, keeper_group);
            keeper.run(jobs, closing, start_gate).await;
        };
        let worker = Worker::start(&name, work)?;
        Ok(Self { queue, down, monitor, group, worker })
    }

    /// Kills the child and its whole process group at once.
    pub(super) fn kill(&self) {
        self.group.kill();
    }

    /// Lets events in before the child runs, because it is about to.
    pub(super) fn end_pause(&self) {
        self.down.end();
    }

    /// Waits until all delivered events are answered.
    pub(super) async fn wait_until_idle(&self) {
        self.queue.wait_until_idle().await;
    }

    /// Queues a message for the child.
    pub(super) fn submit(&self, message: Message) -> Delivered {
        self.worker.submit(&self.queue, message, queue_full())
    }
}

impl EventSink for Exec {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if let Some(left) = self.down.remaining() {
            return Delivered::Now(child_down(left, &self.monitor));
        }
        if self.queue.is_full() && !is_hook(&event.body.event) {
            return Delivered::Now(queue_full());
        }
        self.submit(Message::from_event(event))
    }
}

/// The child for events that it has taken for later and that it is to have again: they take their turn.
pub(super) struct InTurn(pub(super) Exec);

impl EventSink for InTurn {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        let Self(exec) = self;
        if let Some(left) = exec.down.remaining() {
            return Delivered::Now(child_down(left, &exec.monitor));
        }
        if exec.queue.is_full() {
            return Delivered::Now(queue_full());
        }
        exec.submit(Message { course: Course::InTurn, ..Message::from_event(event) })
    }
}

/// Returns the outcome of an event that a child did not answer before it ended. If the next one starts at once, the sink
/// goes on accepting events.
fn child_ended(starts_at_once: bool) -> Outcome {
    let (after, cause) = (child_run::REDELIVER_AFTER, ENDED.into());
    if starts_at_once { Outcome::Hold { after, cause } } else { Outcome::Retry { after, cause } }
}

fn queue_full() -> Outcome {
    Outcome::Retry { after: FULL_RETRY, cause: "the sink's queue is full".into() }
}

fn child_down(left: Duration, monitor: &SinkMonitor) -> Outcome {
    let cause = match monitor.last_exit() {
        Some(exit) => format!("the handler is not running: {exit}"),
        None => "the handler is not running".to_owned(),
    };
    Outcome::Retry { after: left, cause }
}

impl ChildKeeper {
    fn new(
        config: ExecConfig,
        policy: watch::Receiver<RestartPolicy>,
        handler_deps: HandlerDeps,
        down: Arc<Pause>,
        group: ProcessGroup,
    ) -> Self {
        let bad_lines = ThrottledWarning::new(&handler_deps.sink, "a line of the handler is ignored");
        let commands = handler_deps.monitor.commands();
        let state = Rc::new(ExecState {
            handler_deps,
            failing: RefCell::new(FailingEvents::new(config.attempts)),
            waiting: RefCell::new(SharedSlots::new(config.in_flight)),
            files: config.may_post_files.then(|| FileDir::new(&config.dir)),
            clean_ups: Arc::new(Semaphore::new(1)),
            turns: RefCell::default(),
            barren_quarantines: Cell::new(0),
        });
        Self { config, state, restarts: ChildRestarts::new(policy), down, group, bad_lines, commands }
    }

    /// Keeps a child running until the sink closes.
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
        if !start_gate.start() {
            return;
        }
        loop {
            tokio::select! {
                () = worker::wait_for_close(&mut closing) => return,
                () = self.state.remove_left_over() => {}
            }
            self.restarts.child_started();
            let mut started = true;
            let began = Instant::now();
            let end = match ChildRun::start(&self.config, &self.state, &self.group, &self.bad_lines) {
                Ok(child_run) => {
                    self.state.handler_deps.monitor.child_started();
                    Box::pin(child_run.run(&mut jobs, &mut closing, &mut self.commands)).await
                }
                Err(error) => {
                    started = false;
                    let program = self.config.command.first().map(String::as_str).unwrap_or_default();
                    let cause = format!("{program} cannot be started: {error}");
                    RunEnd::Fault { cause, blames_event: false, had: String::new() }
                }
            };
            // A command that came while the child ran was about that child.
            self.commands.take_retry();
            let (cause, blames_event, had) = match end {
                RunEnd::Closing => return,
                RunEnd::Restarted => {
                    self.restarts.reset();
                    continue;
                }
                RunEnd::Fault { cause, blames_event, had } => (cause, blames_event, had),
            };
            let next = self.restarts.child_ended(Instant::now(), began.elapsed(), blames_event);
            self.log_failure(&format!("{cause}{had}"), next);
            self.record_failure(&cause, next, started);
            let goes_on = match next {
                NextStart::AtOnce => wait_shortly(&mut closing).await,
                NextStart::AfterBackoff(wait) | NextStart::AfterCooldown(wait) => {
                    self.wait_for_restart(wait, &mut jobs, &mut closing).await
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    fn record_failure(&mut self, cause: &str, next: NextStart, started: bool) {
        let (wait, rests) = match next {
            NextStart::AtOnce => (SHORTEST_DELAY, false),
            NextStart::AfterBackoff(wait) => (wait, false),
            NextStart::AfterCooldown(wait) => (wait, true),
        };
        let budget = self.restarts.budget(Instant::now());
        let monitor = &self.state.handler_deps.monitor;
        monitor.child_ended(cause);
        monitor.child_waits(wait, rests, !started, budget);
    }

    fn log_failure(&self, cause: &str, next: NextStart) {
        let sink = &*self.state.handler_deps.sink;
        match next {
            NextStart::AtOnce => tracing::warn!(sink, "the handler failed: {cause}; restarting it at once"),
            NextStart::AfterBackoff(wait) => {
                tracing::warn!(sink, "the handler failed: {cause}; restarting it in {}", human(wait));
            }
            NextStart::AfterCooldown(wait) => {
                let next = "its restart budget is spent; trying again in";
                tracing::error!(sink, "the handler failed: {cause}; {next} {}", human(wait));
            }
        }
    }

    /// Waits before the next start, and returns events that arrive meanwhile. Returns false if the sink closes.
    async fn wait_for_restart(
        &mut self,
        wait: Duration,
        jobs: &mut JobReceiver<Message>,
        closing: &mut CloseSignal,
    ) -> bool {
        self.down.begin(wait);
        let until = tokio::time::Instant::now() + wait;
        loop {
            tokio::select! {
                // An operator's command comes before the events that are delivered because of it.
                biased;
                () = worker::wait_for_close(closing) => return false,
                () = self.commands.retry() => {
                    self.restarts.reset();
                    self.down.end();
                    return true;
                }
                () = sleep_until(until) => return true,
                job = jobs.recv() => match job {
                    Some(job) => {
                        let left = self.down.remaining().unwrap_or_default();
                        job.settle(child_down(left, &self.state.handler_deps.monitor));
                    }
                    None => return false,
                },
            }
        }
    }
}

/// Waits until the events of a child that ended are back. Returns false if the sink closes.
async fn wait_shortly(closing: &mut CloseSignal) -> bool {
    tokio::select! {
        () = worker::wait_for_close(closing) => false,
        () = sleep(SHORTEST_DELAY) => true,
    }
}

#[cfg(test)]
mod tests;
