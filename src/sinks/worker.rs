//! A thread of its own for a sink, with a runtime on it.

use std::{io, thread};

use tokio::{runtime::Builder, sync::watch, task::LocalSet};

/// Tells a worker that it is to end.
pub(super) type Closing = watch::Receiver<bool>;

/// A sink's thread, as its owner holds it.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    closing: watch::Sender<bool>,
    ended: watch::Receiver<()>,
}

impl Worker {
    /// Starts a thread, and on it what `work` gives: it ends soon after [`Closing`] says so.
    pub(super) fn start<F>(name: &str, work: impl FnOnce(Closing) -> F + Send + 'static) -> io::Result<Self>
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

    /// Waits until it has ended.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }
}

/// Tells workers to end, and waits until they have.
pub(super) async fn end(workers: &[Worker]) {
    workers.iter().for_each(Worker::close);
    for worker in workers {
        worker.ended().await;
    }
}

/// Waits until a worker is told to end.
pub(super) async fn told(closing: &mut Closing) {
    // When whoever could tell has gone, it is time as well.
    let _ = closing.wait_for(|closing| *closing).await;
}
