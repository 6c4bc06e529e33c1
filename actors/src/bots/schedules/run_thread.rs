//! The thread on which the runs of schedules happen.

use std::{io, sync::Arc, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// A thread for runs: a bot that blocks it holds up the runs of others, but neither events nor the host. It ends once the last
/// owner has dropped it.
#[derive(Debug)]
pub(super) struct RunThread {
    runtime: Handle,
    /// The thread waits for the end of this.
    _alive: oneshot::Sender<()>,
}

impl RunThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(super) fn start() -> io::Result<Arc<Self>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel::<()>();
        thread::Builder::new().name("matterhost-runs".into()).spawn(move || {
            // An error is the end: nothing is ever sent.
            let _ = runtime.block_on(ended);
            // What a run left blocked on another thread is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Arc::new(Self { runtime: handle, _alive: alive }))
    }

    /// Returns the thread's runtime.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}
