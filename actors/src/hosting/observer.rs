//! The stream of observations that tests, logs and metrics read.

use std::{fmt, sync::Arc, time::SystemTime};

use tokio::sync::broadcast;

use crate::model::{AccountName, Fact, Generation, Observation, ServerName, Subject};

/// Observations that a slow reader may lag behind before it misses some: all ten thousand accounts of a large host may
/// report a fact at once. The ring takes about 600 KiB.
const BACKLOG: usize = 16_384;

/// The sender of the observation stream. Observations are dropped while no receiver is subscribed.
#[derive(Clone)]
pub struct Observer {
    sender: broadcast::Sender<Arc<Observation>>,
    take_routine: Option<TakeRoutine>,
}

/// Takes routine observations in place of the receivers.
type TakeRoutine = Arc<dyn Fn(&Observation) + Send + Sync>;

impl Default for Observer {
    /// Returns a stream without receivers.
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(BACKLOG), take_routine: None }
    }
}

impl Observer {
    /// Calls a function with each [routine](Fact::is_routine) observation, on the thread that makes it, in place of sending it:
    /// each wakes the threads of all receivers. The function must not block.
    #[must_use]
    pub fn with_routine(self, take: impl Fn(&Observation) + Send + Sync + 'static) -> Self {
        Self { take_routine: Some(Arc::new(take)), ..self }
    }

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
        let take_routine = self.take_routine.as_ref().filter(|_| fact.is_routine());
        if take_routine.is_none() && self.sender.receiver_count() == 0 {
            return;
        }
        let (at, server, subject) = (SystemTime::now(), server.clone(), subject());
        let observation = Observation { at, server, subject, fact };
        match take_routine {
            Some(take) => take(&observation),
            // An error means that the last receiver was just dropped.
            None => drop(self.sender.send(Arc::new(observation))),
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("sender", &self.sender).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use parking_lot::Mutex;

    use super::*;

    #[test]
    fn routine_facts_wake_no_receiver_if_a_function_takes_them() {
        let routine = Arc::<Mutex<Vec<Fact>>>::default();
        let recorded = Arc::clone(&routine);
        let observer = Observer::default()
            .with_routine(move |observation| recorded.lock().push(observation.fact.clone()));
        let publish = |observer: &Observer, fact: Fact| {
            let (account, server) = (AccountName::new("bot").unwrap(), ServerName::new("main").unwrap());
            observer.publish_account(&account, &server, Generation(1), fact);
        };
        let probe = || Fact::ProbeGood { took: Duration::ZERO };
        publish(&observer, probe());
        let mut receiver = observer.subscribe();
        publish(&observer, probe());
        publish(&observer, Fact::Prompted);
        assert_eq!(*routine.lock(), [probe(), probe()], "also without a receiver");
        assert_eq!(receiver.try_recv().unwrap().fact, Fact::Prompted);
        let plain = Observer::default();
        let mut receiver = plain.subscribe();
        publish(&plain, probe());
        assert_eq!(receiver.try_recv().unwrap().fact, probe(), "without a function all are sent");
    }
}
