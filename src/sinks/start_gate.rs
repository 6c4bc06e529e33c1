//! A gate that delays a sink until its predecessor has released the same file or child.

use std::sync::{Arc, OnceLock};

use tokio::sync::{oneshot, watch};

/// A gate that opens when the previous user of a resource has ended. Clones are of one sink.
#[derive(Debug, Clone, Default)]
pub(super) struct StartGate {
    /// The sender is dropped when the predecessor has ended, in bounded time. `None` if there is none.
    predecessor: Option<watch::Receiver<()>>,
    /// True once the sink has started, false once it never will.
    is_started: Arc<OnceLock<bool>>,
}

impl StartGate {
    /// Returns an open gate.
    pub(super) fn open() -> Self {
        Self::default()
    }

    /// Returns a gate that opens when the sender is dropped.
    pub(super) fn after(predecessor: watch::Receiver<()>) -> Self {
        Self { predecessor: Some(predecessor), is_started: Arc::default() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.predecessor.as_ref().is_none_or(|predecessor| predecessor.has_changed().is_err())
    }

    /// Waits until the gate opens.
    pub(super) async fn wait(&mut self) {
        if let Some(predecessor) = &mut self.predecessor {
            while predecessor.changed().await.is_ok() {}
        }
    }

    /// Records that the sink starts. Returns false if it was given up before.
    pub(super) fn start(&self) -> bool {
        *self.is_started.get_or_init(|| true)
    }

    /// Records that the sink is not needed any more. Returns false if it has started before.
    pub(super) fn give_up(&self) -> bool {
        !*self.is_started.get_or_init(|| false)
    }

    /// Returns a receiver for a thread without a runtime; `None` if the gate is open. The receiver fails when the
    /// gate opens, and receives a message if the sender of `owners` is dropped first: then there is nothing to start
    /// for.
    pub(super) fn into_blocking(mut self, mut owners: watch::Receiver<()>) -> Option<oneshot::Receiver<()>> {
        if self.is_open() {
            return None;
        }
        let (sender, receiver) = oneshot::channel::<()>();
        tokio::spawn(async move {
            tokio::select! {
                () = self.wait() => drop(sender),
                // The thread may have ended already.
                Err(_) = owners.changed() => drop(sender.send(())),
            }
        });
        Some(receiver)
    }
}
