//! When a sink may begin that uses what another one before it used: a file, or the place of its child.

use tokio::sync::{oneshot, watch};

/// When a sink may begin.
#[derive(Debug, Clone, Default)]
pub(super) struct StartGate {
    /// Its sender goes when the one before has ended. That takes bounded time.
    before: Option<watch::Receiver<()>>,
}

impl StartGate {
    /// Nobody is before it.
    pub(super) fn open() -> Self {
        Self::default()
    }

    /// When whoever holds the sender has ended.
    pub(super) fn after(before: watch::Receiver<()>) -> Self {
        Self { before: Some(before) }
    }

    /// Whether it has come.
    pub(super) fn is_open(&self) -> bool {
        self.before.as_ref().is_none_or(|before| before.has_changed().is_err())
    }

    /// Waits until it comes.
    pub(super) async fn wait(&mut self) {
        if let Some(before) = &mut self.before {
            while before.changed().await.is_ok() {}
        }
    }

    /// The same for a thread without a runtime: it comes when the sender is dropped, and never when something is sent: then
    /// whoever held the sender of `wanted` has gone. `None` when it has come.
    pub(super) fn into_blocking(mut self, mut wanted: watch::Receiver<()>) -> Option<oneshot::Receiver<()>> {
        if self.is_open() {
            return None;
        }
        let (tell, told) = oneshot::channel::<()>();
        tokio::spawn(async move {
            tokio::select! {
                () = self.wait() => drop(tell),
                // The thread may have gone as well.
                Err(_) = wanted.changed() => drop(tell.send(())),
            }
        });
        Some(told)
    }
}
