//! The commands of an operator to a sink.

use tokio::sync::{Notify, watch};

/// The senders of commands. Each counts its commands, so that one that comes while the sink is busy is not lost.
#[derive(Debug, Default)]
pub(super) struct Commands {
    restart: watch::Sender<u64>,
    retry: watch::Sender<u64>,
    /// Notified when an event is to be skipped.
    pub(super) skip: Notify,
}

/// The commands that a sink has not carried out yet.
#[derive(Debug)]
pub(crate) struct CommandReceiver {
    restart: watch::Receiver<u64>,
    retry: watch::Receiver<u64>,
}

impl Commands {
    pub(super) fn subscribe(&self) -> CommandReceiver {
        CommandReceiver { restart: self.restart.subscribe(), retry: self.retry.subscribe() }
    }

    pub(super) fn request_restart(&self) {
        self.restart.send_modify(|count| *count += 1);
        self.request_retry();
    }

    pub(super) fn request_retry(&self) {
        self.retry.send_modify(|count| *count += 1);
    }
}

impl CommandReceiver {
    /// Waits for a command to start the handler anew.
    pub(crate) async fn restart(&mut self) {
        // The senders live as long as the sink.
        if self.restart.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.retry.mark_unchanged();
    }

    /// Waits for a command to try everything at once, which a restart implies.
    pub(crate) async fn retry(&mut self) {
        if self.retry.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.restart.mark_unchanged();
    }

    /// Returns true if there was a command to try everything at once since the last call.
    pub(crate) fn take_retry(&mut self) -> bool {
        let is_due = self.retry.has_changed().unwrap_or(false);
        self.retry.mark_unchanged();
        is_due
    }
}
