//! Events as lines to a child process that answers them by lines.
//!
//! One child for the sink, as long as the sink lives: it is started again when it ends, hangs or closes its output,
//! by the restart budget that accounts have. What it had not answered then is offered again.

mod life;
mod open;
mod process;
mod protocol;
mod restarts;

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
    life::{End, Life},
    process::Group,
    restarts::{Next, Restarts},
};
use super::{
    Supplies,
    handler::{Pause, Trouble},
    message::Message,
    queue::{Jobs, Queue},
    start_gate::Turn,
    worker::{self, Closing, Worker},
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
    group: Group,
    pub(super) worker: Worker,
}

/// The thread's own part.
struct Keeper {
    config: ExecConfig,
    supplies: Supplies,
    restarts: Restarts,
    down: Arc<Pause>,
    group: Group,
    bad_lines: Trouble,
}

impl Exec {
    /// Starts the thread, and the child.
    pub(super) fn start(config: ExecConfig, policy: RestartPolicy, supplies: Supplies) -> io::Result<Self> {
        Self::start_after(config, watch::Sender::new(policy).subscribe(), supplies, Turn::at_once())
    }

    /// The same, with the child when its turn comes, and a policy that may change.
    pub(super) fn start_after(
        config: ExecConfig,
        policy: watch::Receiver<RestartPolicy>,
        supplies: Supplies,
        turn: Turn,
    ) -> io::Result<Self> {
        let (queue, jobs) = Queue::new();
        let (down, group) = (Arc::<Pause>::default(), Group::default());
        let name = Arc::clone(&supplies.sink);
        let keeper = Keeper {
            bad_lines: Trouble::new(&supplies.sink, "a line of the handler cannot be used"),
            restarts: Restarts::new(policy),
            down: Arc::clone(&down),
            group: group.clone(),
            config,
            supplies,
        };
        let worker = Worker::start(&name, move |closing| keeper.run(jobs, closing, turn))?;
        Ok(Self { queue, down, group, worker })
    }

    /// Kills the child with its whole group, at once.
    pub(super) fn kill(&self) {
        self.group.kill();
    }

    /// Waits until all that it was given is answered.
    pub(super) async fn idle(&self) {
        self.queue.idle().await;
    }

    /// Hands a message over.
    pub(super) fn carry(&self, message: Message) -> Delivered {
        self.worker.carry(&self.queue, message, full())
    }
}

impl EventSink for Exec {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if let Some(left) = self.down.left() {
            return Delivered::Now(away(left));
        }
        if self.queue.is_full() {
            return Delivered::Now(full());
        }
        self.carry(Message::of(event))
    }
}

fn full() -> Outcome {
    Outcome::Retry { after: FULL_RETRY, cause: "as many wait as may".into() }
}

fn away(left: Duration) -> Outcome {
    Outcome::Retry { after: left, cause: "the handler does not run".into() }
}

impl Keeper {
    /// Keeps a child running, until told to end.
    async fn run(mut self, mut jobs: Jobs<Message>, mut closing: Closing, mut turn: Turn) {
        tokio::select! {
            () = worker::told(&mut closing) => return,
            () = turn.comes() => {}
        }
        loop {
            self.restarts.begin();
            let began = Instant::now();
            let end = match Life::begin(&self.config, &self.supplies, &self.group, &self.bad_lines) {
                Ok(life) => Box::pin(life.run(&mut jobs, &mut closing)).await,
                Err(error) => End::Fault(format!("it cannot be started: {error}")),
            };
            let End::Fault(cause) = end else { return };
            let next = self.restarts.ended(Instant::now(), began.elapsed());
            self.tell(&cause, next);
            let (Next::After(wait) | Next::Rest(wait)) = next;
            if !self.rest(wait, &mut jobs, &mut closing).await {
                return;
            }
        }
    }

    fn tell(&self, cause: &str, next: Next) {
        let sink = &*self.supplies.sink;
        match next {
            Next::After(wait) => {
                tracing::warn!(sink, "the handler failed: {cause}; starting it again in {}", human(wait));
            }
            Next::Rest(wait) => {
                let what = "its restart budget is spent; trying again in";
                tracing::error!(sink, "the handler failed: {cause}; {what} {}", human(wait));
            }
        }
    }

    /// Waits before the next start; says whether there is to be one. What comes meanwhile is sent back.
    async fn rest(&self, wait: Duration, jobs: &mut Jobs<Message>, closing: &mut Closing) -> bool {
        self.down.begin(wait);
        let until = tokio::time::Instant::now() + wait;
        loop {
            tokio::select! {
                () = worker::told(closing) => return false,
                () = sleep_until(until) => return true,
                job = jobs.recv() => match job {
                    Some(job) => job.settle(away(self.down.left().unwrap_or_default())),
                    None => return false,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests;
