//! The state of an exec sink that outlives the runs of its child.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    thread,
    time::Duration,
};

use matterhost_actors::ports::Outcome;
use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, timeout},
};

use super::trial::Turns;
use crate::actions::FileDir;
use crate::sinks::{
    HandlerDeps,
    failing_events::{FailingEvents, Failure, NextAttempt, Suspicion},
    message::{Course, Message},
    queue::Job,
    shared_slots::SharedSlots,
};

/// The longest wait of a child for the clean-up of its directory. A part of that may be on a server that does not answer.
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(1);

/// The state of an exec sink that outlives the runs of its child.
pub(super) struct ExecState {
    pub(super) handler_deps: HandlerDeps,
    pub(super) failing: RefCell<FailingEvents>,
    /// The events that wait for the child, and its slots.
    pub(super) waiting: RefCell<SharedSlots<Job<Message>>>,
    /// The directory below which the child names files, if it has one of its own.
    pub(super) files: Option<FileDir>,
    /// Permits one clean-up of that directory at a time: one that hangs may never end.
    pub(super) clean_ups: Arc<Semaphore>,
    /// The turns of suspects and others that the next child begins with.
    pub(super) turns: RefCell<Turns>,
    /// The events taken away since the last accepted one.
    pub(super) barren_quarantines: Cell<u32>,
}

impl ExecState {
    /// Forgets the accounts that no longer deliver to the sink.
    pub(super) fn forget_accounts(&self) {
        self.handler_deps.forget_accounts(&self.waiting, &self.failing);
    }

    /// Removes what a kill has left of downloads into the directory of the child. That goes on if it takes long.
    pub(super) async fn remove_left_over(&self) {
        let Some(files) = self.files.clone() else { return };
        let sink = &*self.handler_deps.sink;
        match clean_up(&self.clean_ups, move || files.remove_left_over()).await {
            Some(0) => {}
            Some(removed) => {
                tracing::info!(sink, removed, "files of downloads that were not complete are removed");
            }
            None => tracing::warn!(
                sink,
                "the handler starts before its directory is searched for files of downloads that were not complete, because \
                 that takes long; look for directories below it that do not answer"
            ),
        }
    }

    /// Takes the next event that waits, with a slot for it.
    pub(super) fn take_waiting(&self) -> Option<Job<Message>> {
        let job = self.waiting.borrow_mut().take()?;
        self.handler_deps.monitor.take_slot(&job.item.account);
        Some(job)
    }

    /// Takes a slot for a suspect, which waits elsewhere. Returns false if there is none.
    pub(super) fn take_slot(&self, job: &Job<Message>) -> bool {
        let is_taken = self.waiting.borrow_mut().occupy(&job.item.account);
        if is_taken {
            self.handler_deps.monitor.take_slot(&job.item.account);
        }
        is_taken
    }

    /// Returns the suspicion that the child dies on an event.
    pub(super) fn suspicion(&self, event: &Message) -> Option<Suspicion> {
        self.failing.borrow().suspicion(event)
    }

    /// Returns the slot of an event, if it has one.
    pub(super) fn release(&self, job: &Job<Message>) {
        if job.item.course != Course::InTurn {
            return;
        }
        self.waiting.borrow_mut().release(&job.item.account);
        self.handler_deps.monitor.free_slot(&job.item.account);
    }

    /// Returns an event to be delivered again, or gives it up. `delay` chooses the delay. An event that is tried once is given up
    /// at once.
    pub(super) fn retry(
        &self,
        job: Job<Message>,
        failure: Failure,
        cause: &str,
        delay: impl Fn(Duration) -> Duration,
    ) {
        if job.item.course == Course::Urgent {
            return self.reject(job, cause);
        }
        if job.is_disowned() {
            return;
        }
        let next = self.failing.borrow_mut().record_failure(&job.item, failure, Instant::now());
        match next {
            NextAttempt::GiveUp(limit) => self.reject(job, &format!("{cause}; {limit}")),
            NextAttempt::After(after) => {
                let cause = cause.to_owned();
                let outcome = self.failing.borrow().retry_outcome(&job.item, delay(after), cause);
                job.settle(outcome);
            }
        }
    }

    /// Makes an event a dead letter, unless a person waits for it and reads that it failed.
    pub(super) fn reject(&self, job: Job<Message>, cause: &str) {
        if job.item.course == Course::Urgent {
            return job.settle(Outcome::Rejected { cause: cause.to_owned() });
        }
        self.handler_deps.reject_job(job, cause, &self.failing);
    }
}

/// Runs a clean-up on a thread of its own, which keeps nothing from ending. Returns `None` if it takes too long, or if one
/// before still runs.
async fn clean_up(
    permits: &Arc<Semaphore>,
    remove: impl FnOnce() -> usize + Send + 'static,
) -> Option<usize> {
    let permit = Arc::clone(permits).try_acquire_owned().ok()?;
    let (sender, removed) = oneshot::channel();
    let work = move || {
        let removed = remove();
        drop(permit);
        // The receiver may have ended.
        let _ = sender.send(removed);
    };
    thread::Builder::new().name("clean-up".into()).spawn(work).ok()?;
    timeout(CLEAN_UP_LIMIT, removed).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_clean_up_that_hangs_is_not_waited_for_and_there_is_one_at_a_time() {
        let permits = Arc::new(Semaphore::new(1));
        assert_eq!(clean_up(&permits, || 3).await, Some(3));
        let (end, hangs) = mpsc::channel::<()>();
        let hang = move || {
            let _ = hangs.recv();
            0
        };
        assert_eq!(clean_up(&permits, hang).await, None);
        assert_eq!(clean_up(&permits, || 3).await, None, "the one before still runs");
        drop(end);
        permits.acquire().await.unwrap().forget();
    }
}
