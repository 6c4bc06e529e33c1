//! The thread of a sink, with a runtime of its own.

use std::{io, thread, time::Duration};

use futures_util::FutureExt as _;
use matterhost_actors::ports::{Delivered, Outcome};
use tokio::{runtime::Builder, sync::watch, task::LocalSet};

use super::{
    message::Message,
    queue::{PutError, Queue},
};

/// Not immediately, since the request that panicked may panic again.
const UNANSWERED_RETRY: Duration = Duration::from_millis(500);

/// A signal for a worker to end.
pub(super) type CloseSignal = watch::Receiver<bool>;

/// A handle of a sink's thread.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    closing: watch::Sender<bool>,
    ended: watch::Receiver<()>,
}

impl Worker {
    /// Starts a thread that runs the future returned by `work`, which should end soon after its [`CloseSignal`].
    pub(super) fn start<F>(
        name: &str,
        work: impl FnOnce(CloseSignal) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = ()> + 'static,
    {
        let (closing, close_signal) = watch::channel(false);
        let (alive, ended) = watch::channel(());
        let runtime = Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name(name.into()).spawn(move || {
            LocalSet::new().block_on(&runtime, work(close_signal));
            // Waiting for pending name lookups could take half a minute.
            runtime.shutdown_background();
            drop(alive);
        })?;
        Ok(Self { closing, ended })
    }

    /// Signals the thread to end.
    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Puts a message into the queue of this worker. `full` is the outcome if there is no room.
    pub(super) fn submit(&self, queue: &Queue<Message>, message: Message, full: Outcome) -> Delivered {
        let bytes = message.json.len();
        match queue.put(message, bytes) {
            Ok(answered) => {
                let worker = self.clone();
                let answer =
                    answered.map(move |outcome| outcome.unwrap_or_else(|_| worker.unanswered_outcome()));
                Delivered::Later(answer.boxed())
            }
            Err(PutError::Full) => Delivered::Now(full),
            Err(PutError::Closed) => Delivered::Now(self.unanswered_outcome()),
        }
    }

    /// Returns the outcome of an event that was not answered: *retry* if the host is ending or a request panicked,
    /// *broken* if the thread has died.
    pub(super) fn unanswered_outcome(&self) -> Outcome {
        let dead = self.ended.has_changed().is_err() && !*self.closing.borrow();
        if dead {
            return Outcome::Broken { cause: "the sink's thread has died".into() };
        }
        Outcome::Retry { after: UNANSWERED_RETRY, cause: "the sink is closing".into() }
    }

    /// Waits until the thread has ended.
    pub(super) async fn join(&self) {
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }
}

/// Signals workers to end and waits until they have.
pub(super) async fn close_all(workers: &[Worker]) {
    workers.iter().for_each(Worker::close);
    for worker in workers {
        worker.join().await;
    }
}

/// Waits for the signal to end.
pub(super) async fn wait_for_close(closing: &mut CloseSignal) {
    // An error means that the sender is gone, which is a reason to end, too.
    let _ = closing.wait_for(|closing| *closing).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_ends_when_told_leaves_work_and_one_that_died_is_broken() {
        let good =
            Worker::start("good", |mut closing| async move { wait_for_close(&mut closing).await }).unwrap();
        assert!(matches!(good.unanswered_outcome(), Outcome::Retry { .. }));
        close_all(std::slice::from_ref(&good)).await;
        assert!(matches!(good.unanswered_outcome(), Outcome::Retry { .. }));
        let dead = Worker::start("dead", |_| async {}).unwrap();
        dead.join().await;
        assert!(matches!(dead.unanswered_outcome(), Outcome::Broken { .. }));
    }
}
