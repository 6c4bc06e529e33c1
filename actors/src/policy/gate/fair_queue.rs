use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// The purpose of a request. The classes take turns, so that none can starve another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestClass {
    /// Polls of `/users/me`.
    Health,
    /// Requests that a Connection needs to come up.
    Connect,
    /// Listing and paging of missed posts.
    CatchUp,
    /// Posts of bots.
    Reply,
}

const CLASSES: usize = 4;

impl RequestClass {
    /// All classes, in the order of their variants.
    pub const ALL: [Self; CLASSES] = [Self::Health, Self::Connect, Self::CatchUp, Self::Reply];

    /// Returns the class as one word, for metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Connect => "connect",
            Self::CatchUp => "catch_up",
            Self::Reply => "reply",
        }
    }

    /// True if a request may be sent. While the server is down, polls and connects wait; catch-ups and replies are
    /// sent, and fail by themselves.
    fn may_go(self, server_is_up: bool) -> bool {
        server_is_up || matches!(self, Self::CatchUp | Self::Reply)
    }
}

/// The maximum number of waiting requests per class. Every account has at most one pending poll and one pending
/// connect: twice ten thousand accounts fit.
const MOST_WAITING: usize = 20_000;

/// The error for a class with too many waiting requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests are waiting for this server ({MOST_WAITING})")]
pub struct GateFull;

/// A request that may be sent now.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant<T> {
    /// Its class.
    pub class: RequestClass,
    /// The caller's value for the request.
    pub ticket: T,
}

/// The waiting requests of a server. The classes take turns: each gets at least a quarter of the requests while it
/// has any.
#[derive(Debug)]
pub struct FairQueue<K, T> {
    waiting: [VecDeque<(K, T)>; CLASSES],
    /// The accounts with a waiting poll.
    polling: HashSet<K>,
    turn: usize,
}

impl<K, T> Default for FairQueue<K, T> {
    fn default() -> Self {
        Self { waiting: std::array::from_fn(|_| VecDeque::new()), polling: HashSet::new(), turn: 0 }
    }
}

impl<K: Clone + Eq + Hash, T> FairQueue<K, T> {
    /// Appends a request to the queue of its class. A poll replaces a waiting one of the same account.
    ///
    /// # Errors
    /// If the class has too many waiting requests.
    pub fn push(&mut self, class: RequestClass, account: K, ticket: T) -> Result<(), GateFull> {
        let queue = &mut self.waiting[class as usize];
        if class == RequestClass::Health && self.polling.contains(&account) {
            if let Some(old) = queue.iter_mut().find(|(waiting_account, _)| *waiting_account == account) {
                old.1 = ticket;
            }
            return Ok(());
        }
        if queue.len() >= MOST_WAITING {
            return Err(GateFull);
        }
        if class == RequestClass::Health {
            self.polling.insert(account.clone());
        }
        queue.push_back((account, ticket));
        Ok(())
    }

    /// Removes the next request: the classes take turns, and within a class the oldest goes first.
    pub fn next(&mut self, server_is_up: bool) -> Option<Grant<T>> {
        for step in 0..CLASSES {
            let at = (self.turn + step) % CLASSES;
            let class = RequestClass::ALL[at];
            if !class.may_go(server_is_up) {
                continue;
            }
            if let Some((account, ticket)) = self.waiting[at].pop_front() {
                self.turn = (at + 1) % CLASSES;
                if class == RequestClass::Health {
                    self.polling.remove(&account);
                }
                return Some(Grant { class, ticket });
            }
        }
        None
    }

    /// True if any waiting request may be sent.
    pub fn has_work(&self, server_is_up: bool) -> bool {
        RequestClass::ALL
            .into_iter()
            .any(|class| class.may_go(server_is_up) && !self.waiting[class as usize].is_empty())
    }

    /// True if a request of this class may be sent ahead of all that wait: it may be sent, and none of those.
    pub fn may_pass(&self, class: RequestClass, server_is_up: bool) -> bool {
        class.may_go(server_is_up) && !self.has_work(server_is_up)
    }

    /// Returns the number of waiting requests.
    pub fn len(&self) -> usize {
        self.waiting.iter().map(VecDeque::len).sum()
    }

    /// True if no request waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn within_a_class_the_oldest_goes_first() {
        let mut queue = FairQueue::default();
        for n in 0..3 {
            queue.push(RequestClass::Connect, n, n).unwrap();
        }
        let order: Vec<i32> = std::iter::from_fn(|| queue.next(true)).map(|grant| grant.ticket).collect();
        assert_eq!(order, [0, 1, 2]);
    }

    #[test]
    fn an_account_has_one_waiting_poll() {
        let mut queue = FairQueue::default();
        queue.push(RequestClass::Health, "a", 1).unwrap();
        queue.push(RequestClass::Health, "b", 2).unwrap();
        queue.push(RequestClass::Health, "a", 3).unwrap();
        let order: Vec<i32> = std::iter::from_fn(|| queue.next(true)).map(|grant| grant.ticket).collect();
        assert_eq!(order, [3, 2], "the newer poll replaces the older one");
        queue.push(RequestClass::Health, "a", 4).unwrap();
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn while_the_server_is_down_polls_and_connects_wait() {
        let mut queue = FairQueue::default();
        for class in RequestClass::ALL {
            queue.push(class, 0, class).unwrap();
        }
        let passed: Vec<RequestClass> =
            std::iter::from_fn(|| queue.next(false)).map(|grant| grant.class).collect();
        assert_eq!(passed, [RequestClass::CatchUp, RequestClass::Reply]);
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn the_queue_has_an_end() {
        let mut queue = FairQueue::default();
        for n in 0..MOST_WAITING {
            queue.push(RequestClass::Connect, n, ()).unwrap();
        }
        assert_eq!(queue.push(RequestClass::Connect, MOST_WAITING, ()), Err(GateFull));
        assert_eq!(queue.push(RequestClass::Reply, 0, ()), Ok(()), "another class has its own queue");
    }

    proptest! {
        /// Each class with waiting requests gets at least a quarter of the grants, minus one turn.
        #[test]
        fn each_class_keeps_a_quarter(loads in proptest::array::uniform4(0usize..200), taken in 1usize..200) {
            let mut queue = FairQueue::default();
            for (class, load) in RequestClass::ALL.into_iter().zip(loads) {
                for n in 0..load {
                    queue.push(class, n, ()).unwrap();
                }
            }
            let mut got = [0usize; 4];
            let mut total = 0;
            for grant in std::iter::from_fn(|| queue.next(true)).take(taken) {
                got[grant.class as usize] += 1;
                total += 1;
            }
            for class in 0..4 {
                prop_assert!(got[class] == loads[class] || got[class] + 1 >= total / 4, "{got:?} of {loads:?}");
            }
        }
    }
}
