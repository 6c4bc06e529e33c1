//! The accounts that were told to start and are not ready yet.

use std::{collections::HashMap, convert::Infallible, future::pending, sync::Arc, time::Duration};

use matterhost_actors::model::{AccountName, Fact, Observation, Subject};
use tokio::sync::{
    broadcast::{Receiver, error::RecvError},
    oneshot,
};

/// The time after which the accounts of a shard count as started: a server that does not answer must not stop the moves of
/// other accounts. The few that move at a time connect within seconds, also through a gate with a low limit.
pub(super) const START_LIMIT: Duration = Duration::from_secs(30);

/// Returns a receiver of the facts from now on.
type Subscribe = Box<dyn Fn() -> Receiver<Arc<Observation>> + Send>;

/// The accounts that were told to start and are not ready yet.
pub(super) struct StartingAccounts {
    subscribe: Subscribe,
    /// The facts; `None` while no account is starting.
    facts: Option<Receiver<Arc<Observation>>>,
    /// Each with the sender of its shard, which is dropped with the last one.
    waiting: HashMap<AccountName, Arc<oneshot::Sender<()>>>,
}

impl StartingAccounts {
    pub(super) fn new(subscribe: Subscribe) -> Self {
        Self { subscribe, facts: None, waiting: HashMap::new() }
    }

    /// Adds the accounts of a shard before they start. The sender is dropped once each is ready, or has failed to be.
    pub(super) fn add(&mut self, accounts: &[AccountName], started: oneshot::Sender<()>) {
        let started = Arc::new(started);
        self.waiting.extend(accounts.iter().map(|account| (account.clone(), Arc::clone(&started))));
        if !self.waiting.is_empty() && self.facts.is_none() {
            self.facts = Some((self.subscribe)());
        }
    }

    /// Forgets accounts that are told to stop.
    pub(super) fn remove(&mut self, accounts: &[AccountName]) {
        for account in accounts {
            self.waiting.remove(account);
        }
    }

    /// Follows the facts. It may be dropped and called again.
    pub(super) async fn follow(&mut self) -> Infallible {
        while !self.waiting.is_empty()
            && let Some(facts) = &mut self.facts
        {
            match facts.recv().await {
                Ok(seen) => self.take(&seen),
                // The accounts of missed facts have a time limit.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            }
        }
        self.facts = None;
        pending().await
    }

    fn take(&mut self, seen: &Observation) {
        if let Subject::Account(account, _) = &seen.subject
            && ends_start(&seen.fact)
        {
            self.waiting.remove(account);
        }
    }
}

/// Returns true if the account is ready, or will not be for a while.
fn ends_start(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Ready { .. }
            | Fact::Stalled { .. }
            | Fact::StoreFailed { .. }
            | Fact::Closed { .. }
            | Fact::Blocked
            | Fact::Misconfigured
            | Fact::Tripped { .. }
            | Fact::Stopped
            | Fact::Removed
    )
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use futures_util::future::FutureExt as _;
    use matterhost_actors::model::{Generation, ServerName};
    use tokio::sync::{broadcast, oneshot::error::TryRecvError};

    use super::*;

    fn name(account: &str) -> AccountName {
        AccountName::new(account).unwrap()
    }

    fn seen(account: &str, fact: Fact) -> Arc<Observation> {
        let subject = Subject::Account(name(account), Generation(1));
        let server = ServerName::new("main").unwrap();
        Arc::new(Observation { at: SystemTime::now(), server, subject, fact })
    }

    fn ready() -> Fact {
        Fact::Ready { after: Duration::ZERO }
    }

    /// Takes the facts that were sent.
    fn catch_up(starting: &mut StartingAccounts) {
        assert!(starting.follow().now_or_never().is_none());
    }

    #[test]
    fn a_shard_has_started_once_each_of_its_accounts_is_ready_or_has_failed() {
        let sender = broadcast::Sender::new(16);
        let facts = sender.clone();
        let mut starting = StartingAccounts::new(Box::new(move || facts.subscribe()));
        let add = |starting: &mut StartingAccounts, accounts: &[&str]| {
            let (started, is_started) = oneshot::channel();
            starting.add(&accounts.iter().map(|account| name(account)).collect::<Vec<_>>(), started);
            is_started
        };
        let mut empty = add(&mut starting, &[]);
        assert_eq!(empty.try_recv(), Err(TryRecvError::Closed));
        assert_eq!(sender.receiver_count(), 0, "nobody waits for a fact");
        let (mut two, mut other) = (add(&mut starting, &["a", "b"]), add(&mut starting, &["c"]));
        for (account, fact, left) in [
            ("a", Fact::Connecting, 2),
            ("b", ready(), 2),
            ("b", Fact::Blocked, 2),
            ("elsewhere", ready(), 2),
            ("a", Fact::Misconfigured, 1),
        ] {
            sender.send(seen(account, fact)).unwrap();
            catch_up(&mut starting);
            let waiting = [&mut two, &mut other].map(|shard| shard.try_recv() == Err(TryRecvError::Empty));
            assert_eq!(waiting.iter().filter(|waits| **waits).count(), left, "{account}");
        }
        starting.remove(&[name("c")]);
        assert_eq!(other.try_recv(), Err(TryRecvError::Closed), "it was told to stop");
        catch_up(&mut starting);
        assert_eq!(sender.receiver_count(), 0, "no facts are kept for nobody");
    }

    #[test]
    fn facts_that_were_missed_hold_nobody_up_for_good() {
        let sender = broadcast::Sender::new(1);
        let facts = sender.clone();
        let mut starting = StartingAccounts::new(Box::new(move || facts.subscribe()));
        let (started, mut is_started) = oneshot::channel();
        starting.add(&[name("a"), name("b")], started);
        for account in ["a", "b"] {
            sender.send(seen(account, ready())).unwrap();
        }
        catch_up(&mut starting);
        assert_eq!(is_started.try_recv(), Err(TryRecvError::Empty), "a fact was missed");
        starting.remove(&[name("a"), name("b")]);
        assert_eq!(is_started.try_recv(), Err(TryRecvError::Closed));
    }
}
