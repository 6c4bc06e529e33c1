//! A thread of its own for a sink, with a runtime on it.

use std::{io, thread, time::Duration};

use futures_util::FutureExt as _;
use matterhost_actors::ports::{Delivered, Outcome};
use tokio::{runtime::Builder, sync::watch, task::LocalSet};

use super::{
    message::Message,
    queue::{PutError, Queue},
};

/// Not at once: what took it may fail again.
const UNANSWERED_RETRY: Duration = Duration::from_millis(500);

/// Tells a worker that it is to end.
pub(super) type CloseSignal = watch::Receiver<bool>;

/// A sink's thread, as its owner holds it.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    closing: watch::Sender<bool>,
    ended: watch::Receiver<()>,
}

impl Worker {
    /// Starts a thread, and on it what `work` gives: it ends soon after [`CloseSignal`] says so.
    pub(super) fn start<F>(
        name: &str,
        work: impl FnOnce(CloseSignal) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = ()> + 'static,
    {
        let (closing, told) = watch::channel(false);
        let (alive, ended) = watch::channel(());
        let runtime = Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name(name.into()).spawn(move || {
            LocalSet::new().block_on(&runtime, work(told));
            // To wait for name lookups under way could take half a minute.
            runtime.shutdown_background();
            drop(alive);
        })?;
        Ok(Self { closing, ended })
    }

    /// Tells it to end.
    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Puts a message in the queue before it. `full` is the answer when there is no room.
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

    /// What became of something that was handed to it and is not answered: the host ends, or a request of it panicked,
    /// and it comes again; or the thread itself is dead, and nobody takes anything any more.
    pub(super) fn unanswered_outcome(&self) -> Outcome {
        let dead = self.ended.has_changed().is_err() && !*self.closing.borrow();
        if dead {
            return Outcome::Broken { cause: "the sink's thread has died".into() };
        }
        Outcome::Retry { after: UNANSWERED_RETRY, cause: "the sink is closing".into() }
    }

    /// Waits until it has ended.
    pub(super) async fn join(&self) {
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }
}

/// Tells workers to end, and waits until they have.
pub(super) async fn close_all(workers: &[Worker]) {
    workers.iter().for_each(Worker::close);
    for worker in workers {
        worker.join().await;
    }
}

/// Waits until a worker is told to end.
pub(super) async fn wait_for_close(closing: &mut CloseSignal) {
    // When whoever could tell has gone, it is time as well.
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
