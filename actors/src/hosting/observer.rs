//! The stream of observations that tests, logs and metrics read.

use std::{sync::Arc, time::SystemTime};

use tokio::sync::broadcast;

use crate::model::{AccountName, Fact, Generation, Observation, ServerName, Subject};

/// Observations that a slow reader may lag behind before it misses some: all ten thousand accounts of a large host may
/// report a fact at once. The ring takes about 600 KiB.
const BACKLOG: usize = 16_384;

/// The sender of the observation stream. Observations are dropped while no receiver is subscribed.
#[derive(Debug, Clone)]
pub struct Observer {
    sender: broadcast::Sender<Arc<Observation>>,
}

impl Default for Observer {
    /// Returns a stream without receivers.
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(BACKLOG) }
    }
}

impl Observer {
    /// Returns a receiver of the observations published from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Observation>> {
        self.sender.subscribe()
    }

    pub(crate) fn publish_account(
        &self,
        account: &AccountName,
        server: &ServerName,
        generation: Generation,
        fact: Fact,
    ) {
        self.publish(server, || Subject::Account(account.clone(), generation), fact);
    }

    pub(super) fn publish_server(&self, server: &ServerName, fact: Fact) {
        self.publish(server, || Subject::Server(server.clone()), fact);
    }

    fn publish(&self, server: &ServerName, subject: impl FnOnce() -> Subject, fact: Fact) {
        if self.sender.receiver_count() > 0 {
            let (at, server, subject) = (SystemTime::now(), server.clone(), subject());
            // An error means that the last receiver was just dropped.
            let _ = self.sender.send(Arc::new(Observation { at, server, subject, fact }));
        }
    }
}
